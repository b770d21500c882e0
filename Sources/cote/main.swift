import CoteCLI

MainThread.run { await CoteCommand.runAndExit() }
