// CoteKeeper
