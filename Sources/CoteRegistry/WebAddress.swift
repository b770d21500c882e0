import Glibc

/// An `http` or `https` address, taken apart. Whatever a registry writes is hostile, so this is a narrow reading of
/// RFC 3986: no user, no fragment, no byte outside printable ASCII.
struct WebAddress: Hashable, Sendable {
    /// Scheme, host and port: who is spoken to, and so who may have what was meant for it.
    struct Origin: Hashable, Sendable {
        var isPlain: Bool
        /// In lower case; an IPv6 address in brackets.
        var host: String
        var port: UInt16

        /// Whether the host is an address and no name.
        var isAddress: Bool {
            host.hasPrefix("[") || host.split(separator: ".").last?.utf8.allSatisfy { $0 <= 0x39 } == true
        }

        /// For people: without the port where it is the scheme's own.
        var name: String { port == (isPlain ? 80 : 443) ? host : "\(host):\(port)" }
    }

    var origin: Origin
    /// Path and query, with the slash.
    var target: String

    /// Nobody honest writes a longer one.
    private static let longest = 8192

    /// `nil` for what is no such address.
    init?(_ text: String) {
        guard text.utf8.count <= Self.longest, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let scheme = text[..<colon].lowercased()
        guard scheme == "http" || scheme == "https", text[colon...].hasPrefix("://") else { return nil }
        let rest = text[text.index(colon, offsetBy: 3)...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        guard let origin = Origin(authority: rest[..<end], isPlain: scheme == "http") else { return nil }
        self.init(origin, rest[end...])
    }

    init(_ origin: Origin, _ target: some StringProtocol) {
        self.origin = origin
        let cut = target.prefix { $0 != "#" }
        self.target = cut.hasPrefix("/") ? String(cut) : "/" + cut
    }

    /// The whole address.
    var text: String { (origin.isPlain ? "http://" : "https://") + "\(origin.host):\(origin.port)" + target }

    /// Where a `Location` leads from here; `nil` for what is no address of the web.
    func following(_ location: String) -> WebAddress? {
        guard location.utf8.count <= Self.longest, location.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            return nil
        }
        if location.hasPrefix("//") { return WebAddress((origin.isPlain ? "http:" : "https:") + location) }
        if location.hasPrefix("/") { return WebAddress(origin, location) }
        let path = target.prefix { $0 != "?" }
        if location.hasPrefix("?") { return WebAddress(origin, path + location) }
        // A scheme comes before any slash; what has none is relative to the directory of this address.
        if location.prefix(while: { $0 != "/" && $0 != "?" }).contains(":") { return WebAddress(location) }
        let directory = path.lastIndex(of: "/").map { path[...$0] } ?? "/"
        return WebAddress(origin, directory + location)
    }

    /// The same with one more field in its query.
    func adding(_ field: String) -> WebAddress {
        WebAddress(origin, target + (target.contains("?") ? "&" : "?") + field)
    }
}

extension WebAddress.Origin {
    /// Reads `host` or `host:port`.
    init?(authority: some StringProtocol, isPlain: Bool) {
        let authority = authority.lowercased()
        var host = authority[...]
        var port: UInt16 = isPlain ? 80 : 443
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            let digits = authority[authority.index(after: colon)...]
            guard digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = UInt16(digits), number > 0 else {
                return nil
            }
            port = number
            host = authority[..<colon]
        }
        guard Self.isHost(host) else { return nil }
        self.init(isPlain: isPlain, host: String(host), port: port)
    }

    private static func isHost(_ host: Substring) -> Bool {
        if host.hasPrefix("["), host.hasSuffix("]") {
            // A zone (%) names an interface of this machine, which no peer knows.
            return host.utf8.count > 3
                && host.dropFirst().dropLast().utf8.allSatisfy { isHexadecimal($0) || $0 == 0x3a || $0 == 0x2e }
        }
        guard !host.isEmpty, host.utf8.count <= 253,
            host.utf8.allSatisfy({ isLetterOrDigit($0) || $0 == 0x2d || $0 == 0x2e || $0 == 0x5f })
        else { return false }
        // What ends in a number is an address, and of those only the usual form: the C library takes 0x7f.1 too.
        guard let last = host.split(separator: ".").last, last.first?.isNumber == true,
            last.hasPrefix("0x") || last.utf8.allSatisfy({ $0 <= 0x39 })
        else { return true }
        var address: UInt32 = 0
        return inet_pton(AF_INET, String(host), &address) == 1
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        byte >= 0x30 && byte <= 0x39 || byte >= 0x61 && byte <= 0x66
    }
    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        byte >= 0x30 && byte <= 0x39 || byte >= 0x61 && byte <= 0x7a
    }
}
