// CoteCLI
