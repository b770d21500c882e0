// CoteJournal
