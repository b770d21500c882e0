// CoteDriverOCI
