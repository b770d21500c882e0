import CoteTestSupport
import FoundationEssentials
import Testing

/// An error as the program told it.
struct ToldError: Equatable {
    /// Absent where the lines were for a person.
    var code: String?
    var verb: String?
    var message: String
    var hint: String?

    /// Reads `error: <verb>: <reason>` and perhaps `hint: …`: one line each, and nothing else.
    init?(lines text: String) {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.popLast() == "", (1...2).contains(lines.count), lines[0].hasPrefix("error: ") else { return nil }
        let parts = lines[0].dropFirst(7).split(separator: ":", maxSplits: 1)
        guard parts.count == 2, parts[1].hasPrefix(" ") else { return nil }
        verb = String(parts[0])
        message = String(parts[1].dropFirst())
        if lines.count == 2 {
            guard lines[1].hasPrefix("hint: ") else { return nil }
            hint = String(lines[1].dropFirst(6))
        }
        let isSafe = text.unicodeScalars.allSatisfy {
            $0 == "\n" || $0.properties.generalCategory != .control && $0.properties.generalCategory != .format
        }
        guard isSafe else { return nil }
    }

    /// Reads the object that `--json` gives.
    init?(json text: String) {
        struct Envelope: Decodable {
            struct Body: Decodable {
                var code: String
                var message: String
                var hint: String?
            }
            var error: Body
        }
        guard text.hasSuffix("\n"), text.dropLast().contains("\n") == false,
            let body = try? JSONDecoder().decode(Envelope.self, from: Data(text.utf8)).error
        else { return nil }
        (code, message, hint) = (body.code, body.message, body.hint)
    }
}

extension ProgramResult {
    /// The error on stderr, in lines.
    var told: ToldError? { ToldError(lines: errors) }
    /// The error on stderr, as an object.
    var toldJSON: ToldError? { ToldError(json: errors) }
    /// stdout without its last newline.
    var line: String { output.hasSuffix("\n") ? String(output.dropLast()) : output }

    /// stdout as one JSON value.
    func decoded<Value: Decodable>(_: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(bytes))
    }

    /// stdout as one JSON value a line.
    func decodedLines() throws -> [JSONShape] {
        try bytes.split(separator: 0x0a).map { try JSONDecoder().decode(JSONShape.self, from: Data($0)) }
    }
}

/// Any JSON, for tests of its shape.
indirect enum JSONShape: Decodable, Equatable {
    case object([String: JSONShape])
    case array([JSONShape])
    case text, number, flag, null

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let object = try? value.decode([String: JSONShape].self) {
            self = .object(object)
        } else if let array = try? value.decode([JSONShape].self) {
            self = .array(array)
        } else if (try? value.decode(String.self)) != nil {
            self = .text
        } else if (try? value.decode(Bool.self)) != nil {
            self = .flag
        } else {
            self = value.decodeNil() ? .null : .number
        }
    }

    var keys: Set<String> {
        if case .object(let object) = self { return Set(object.keys) }
        return []
    }

    var elements: [JSONShape] {
        if case .array(let elements) = self { return elements }
        return []
    }

    subscript(key: String) -> JSONShape? {
        if case .object(let object) = self { return object[key] }
        return nil
    }
}
