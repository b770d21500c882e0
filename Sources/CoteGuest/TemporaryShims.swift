enum FileVerbs { static func run(_ a: [String]) -> Int32 { 1 } }
