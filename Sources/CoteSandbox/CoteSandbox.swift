// CoteSandbox
