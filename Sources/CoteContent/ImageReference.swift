public import CoteModel
import Glibc

/// The name of an image as people write it: `[host[:port]/]repository[:tag][@digest]`, by the grammar of the OCI
/// distribution specification and with Docker's short forms: `debian` is `docker.io/library/debian`. The same form
/// names an environment that is on this machine.
public struct ImageReference: Hashable, Sendable, CustomStringConvertible {
    /// `host` or `host:port` in lower case; `docker.io` where the name has none.
    public let registry: String
    /// The name in the registry, at most 255 bytes with the registry's; `library/debian` for `debian`.
    public let repository: String
    /// At most 128 bytes; `nil` where none was written.
    public let tag: String?
    /// Which bytes it must be; `nil` where none was written.
    public let digest: Digest?

    /// Docker's own registry, which names without a host mean.
    public static let defaultRegistry = "docker.io"
    /// The tag that a name without tag and digest means.
    public static let defaultTag = "latest"

    /// Reads what a person wrote.
    /// - Throws: `usage`, which says what of it is wrong.
    public init(parsing text: String) throws(CoteError) {
        guard text.utf8.count <= Self.longest else { throw Self.refusal(text, "it is too long") }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw Self.refusal(text, "only printable ASCII without spaces is possible")
        }
        var rest = text[...]
        if let at = rest.firstIndex(of: "@") {
            guard let digest = Digest(String(rest[rest.index(after: at)...])) else {
                throw Self.refusal(text, "a digest is sha256: and 64 lower-case hexadecimal digits")
            }
            self.digest = digest
            rest = rest[..<at]
        } else {
            digest = nil
        }
        tag = try Self.cutTag(&rest, of: text)
        (registry, repository) = try Self.names(rest, of: text)
    }

    /// All of it, for a program that has the parts; `nil` where one is not of the form that a text would give.
    public init?(registry: String, repository: String, tag: String? = nil, digest: Digest? = nil) {
        let suffix = (tag.map { ":" + $0 } ?? "") + (digest.map { "@" + $0.text } ?? "")
        guard let read = try? ImageReference(parsing: "\(registry)/\(repository)\(suffix)"),
            read.registry == registry, read.repository == repository, read.tag == tag, read.digest == digest
        else { return nil }
        self = read
    }

    /// The name without tag and digest as people write it: `debian`, `user/app`, `localhost:5000/app`.
    public var name: String {
        guard registry == Self.defaultRegistry else { return registry + "/" + repository }
        let library = Self.library + "/"
        guard repository.hasPrefix(library) else { return repository }
        let short = repository.dropFirst(library.count)
        return short.contains("/") ? repository : String(short)
    }

    /// What people write; reading it gives the same reference.
    public var description: String { name + (tag.map { ":" + $0 } ?? "") + (digest.map { "@" + $0.text } ?? "") }

    /// The host to connect to, with its port where it has one: Docker's registry answers under another name.
    public var endpoint: String { registry == Self.defaultRegistry ? "registry-1.docker.io" : registry }

    /// What a registry is asked for: the digest, else the tag, else `latest`.
    public var wanted: String { digest?.text ?? tag ?? Self.defaultTag }

    /// Whether the registry is on this machine, and so spoken to without TLS unless told otherwise: `localhost`,
    /// `127.0.0.0/8` or `::1`, and no name that merely looks like one.
    public var isLoopback: Bool {
        let host = Self.host(of: registry)
        if host == "localhost" || host == "[::1]" { return true }
        var address = in_addr()
        return inet_pton(AF_INET, host, &address) == 1 && UInt32(bigEndian: address.s_addr) >> 24 == 127
    }
}

extension ImageReference {
    private static let library = "library"
    private static let longest = 1024
    private static let longestName = 255
    private static let longestTag = 128

    private static func cutTag(_ rest: inout Substring, of text: String) throws(CoteError) -> String? {
        let lastName = rest.lastIndex(of: "/").map { rest.index(after: $0) } ?? rest.startIndex
        guard let colon = rest[lastName...].firstIndex(of: ":") else { return nil }
        let tag = rest[rest.index(after: colon)...]
        rest = rest[..<colon]
        guard let first = tag.utf8.first, isWord(first), tag.utf8.count <= longestTag,
            tag.utf8.allSatisfy({ isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else { throw refusal(text, "a tag is up to 128 letters, digits, _, . and -, and begins with neither . nor -") }
        return String(tag)
    }

    private static func names(_ rest: Substring, of text: String) throws(CoteError) -> (String, String) {
        var registry = defaultRegistry
        var repository = rest
        if let slash = rest.firstIndex(of: "/"), isRegistry(rest[..<slash]) {
            registry = rest[..<slash].lowercased()
            repository = rest[rest.index(after: slash)...]
            guard isHost(registry) else { throw refusal(text, "\(registry) is no host, or no host and port") }
            if registry == "index.docker.io" || registry == "registry-1.docker.io" { registry = defaultRegistry }
        }
        let parts = repository.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.allSatisfy(isPathComponent) else {
            if parts.allSatisfy({ isPathComponent($0.lowercased()[...]) }) {
                throw refusal(text, "names are in lower case")
            }
            throw refusal(
                text, "each part of a name is lower-case letters and digits, with single ., _, __ or - inside")
        }
        let name = parts.count == 1 && registry == defaultRegistry ? "\(library)/\(repository)" : String(repository)
        guard registry.utf8.count + 1 + name.utf8.count <= longestName else {
            throw refusal(text, "a name has at most \(longestName) bytes")
        }
        return (registry, name)
    }

    /// Docker's rule for telling a host from the first part of a name.
    private static func isRegistry(_ part: Substring) -> Bool {
        part.contains(".") || part.contains(":") || part == "localhost"
    }

    /// `host:port` without the port; an IPv6 address keeps its brackets.
    private static func host(of registry: String) -> String {
        guard let colon = registry.lastIndex(of: ":"), !registry[colon...].contains("]") else { return registry }
        return String(registry[..<colon])
    }

    private static func isHost(_ registry: String) -> Bool {
        let host = host(of: registry)
        if host.utf8.count < registry.utf8.count {
            let port = registry.dropFirst(host.count + 1)
            guard port.utf8.count <= 5, port.utf8.allSatisfy(isDigit), let number = UInt16(port), number > 0 else {
                return false
            }
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            var address = in6_addr()
            return inet_pton(AF_INET6, String(host.dropFirst().dropLast()), &address) == 1
        }
        return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.utf8.first, let last = label.utf8.last else { return false }
            return isAlphanumeric(first) && isAlphanumeric(last) && label.utf8.count <= 63
                && label.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
        }
    }

    /// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
    private static func isPathComponent(_ part: Substring) -> Bool {
        guard let first = part.utf8.first, let last = part.utf8.last, isAlphanumeric(first), isAlphanumeric(last) else {
            return false
        }
        return part.utf8.split(whereSeparator: isAlphanumeric).allSatisfy { separator in
            separator.elementsEqual(".".utf8) || separator.elementsEqual("_".utf8) || separator.elementsEqual("__".utf8)
                || separator.allSatisfy { $0 == UInt8(ascii: "-") }
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isDigit(byte) || byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")
    }
    private static func isWord(_ byte: UInt8) -> Bool { isAlphanumeric(byte | 0x20) || byte == UInt8(ascii: "_") }

    /// Shows of the text what a terminal can.
    private static func refusal(_ text: String, _ reason: String) -> CoteError {
        let shown = text.utf8.prefix(100).map { $0 >= 0x20 && $0 < 0x7f ? $0 : UInt8(ascii: "?") }
        return CoteError(
            .usage, "'\(String(decoding: shown, as: UTF8.self))' is not the name of an image: \(reason)",
            hint: "name:tag, or host/name:tag")
    }
}
