// CoteEngine
