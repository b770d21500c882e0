// CoteGuest
