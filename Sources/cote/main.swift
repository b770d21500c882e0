import CoteCLI

CoteCommand.acquirePrivilege()
MainThread.run { await CoteCommand.runAndExit() }
