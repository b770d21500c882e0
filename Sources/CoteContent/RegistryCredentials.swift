public import CoteModel
import CoteSystem
import FoundationEssentials
import Glibc

/// What Docker's and containers' credential files have for a registry. Its texts are nowhere shown: not in a
/// description, not in an error.
public enum RegistryCredentials: Equatable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    case password(user: String, password: String)
    /// A token that the registry's own token service exchanges for others.
    case identityToken(String)

    /// The kind, without the secret.
    public var description: String {
        switch self {
        case .password: "user and password"
        case .identityToken: "identity token"
        }
    }
    /// The same.
    public var debugDescription: String { description }
}

extension RegistryCredentials {
    /// Looks for what is sent to the reference's registry, in the first file that has something for it:
    /// `$REGISTRY_AUTH_FILE`, which must be there; `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json` where that
    /// is not set; `$XDG_RUNTIME_DIR/containers/auth.json`.
    /// - Parameter environment: the caller's; its `HOME` is what `~` stands for.
    /// - Returns: `nil` where no file has anything: whoever asks is anonymous.
    /// - Throws: a file that cannot be read, or one that leaves this registry to a credential helper. Helpers are
    ///   programs that a file names, and no program is run for what a file says.
    public static func find(
        for reference: ImageReference, environment: [String: String]
    ) throws(CoteError) -> RegistryCredentials? {
        for place in CredentialFile.places(environment) {
            guard let file = try CredentialFile(place.path, mustExist: place.mustExist) else { continue }
            if let found = try file.credentials(for: reference) { return found }
        }
        return nil
    }
}

/// One such file, as `containers-auth.json(5)` and Docker's documentation of `docker login` describe it.
private struct CredentialFile {
    private struct Content: Decodable {
        var auths: [String: Entry]?
        var credsStore: String?
        var credHelpers: [String: String]?
    }

    private struct Entry: Decodable {
        var auth: String?
        var username: String?
        var password: String?
        var identitytoken: String?
    }

    private let path: String
    private let content: Content

    static func places(_ environment: [String: String]) -> [(path: String, mustExist: Bool)] {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        var places: [(path: String, mustExist: Bool)] = []
        if let path = value("REGISTRY_AUTH_FILE") { places.append((path, true)) }
        if let directory = value("DOCKER_CONFIG") ?? value("HOME").map({ $0 + "/.docker" }) {
            places.append((directory + "/config.json", false))
        }
        if let directory = value("XDG_RUNTIME_DIR") { places.append((directory + "/containers/auth.json", false)) }
        return places
    }

    /// `nil` where there is no such file.
    init?(_ path: String, mustExist: Bool) throws(CoteError) {
        let bytes: [UInt8]
        do { bytes = try Files.read(path) } catch {
            if error.code == ENOENT || error.code == ENOTDIR, !mustExist { return nil }
            throw CoteError(
                error.code == EACCES ? .noPermission : .badState, "credentials cannot be read: \(path): \(error.reason)"
            )
        }
        // A decoder's own error would quote what it could not read.
        guard let content = try? JSONDecoder().decode(Content.self, from: Data(bytes)) else {
            throw CoteError(.badState, "credentials cannot be read: \(path) is not a credential file")
        }
        self.path = path
        self.content = content
    }

    /// By the longest key: the repository's own, those of the names it lies under, and last the registry's.
    func credentials(for reference: ImageReference) throws(CoteError) -> RegistryCredentials? {
        var scope = reference.registry + "/" + reference.repository
        while true {
            if let found = try credentials(scope, reference.registry) { return found }
            guard let slash = scope.lastIndex(of: "/") else { return nil }
            scope = String(scope[..<slash])
        }
    }

    private func credentials(_ scope: String, _ registry: String) throws(CoteError) -> RegistryCredentials? {
        if let helper = Self.matches(content.credHelpers, scope).first { throw refusal(registry, helper.value) }
        let entries = Self.matches(content.auths, scope)
        for entry in entries {
            if let found = try read(entry.value, registry) { return found }
        }
        // `docker login` with a store leaves an empty entry behind.
        if !entries.isEmpty, let store = content.credsStore, !store.isEmpty { throw refusal(registry, store) }
        return nil
    }

    /// In a fixed order, where a file spells a key in several ways.
    private static func matches<Value>(_ table: [String: Value]?, _ scope: String) -> [(key: String, value: Value)] {
        (table ?? [:]).filter { canonical($0.key) == scope }.sorted { $0.key < $1.key }
    }

    /// A key as `registry[/name…]`: with a scheme it is an address, of which the host alone counts.
    private static func canonical(_ key: String) -> String {
        var parts = key.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count > 2, parts[0] == "https:" || parts[0] == "http:", parts[1].isEmpty { parts = [parts[2]] }
        while parts.count > 1, parts[parts.count - 1].isEmpty { parts.removeLast() }
        let host = parts[0].lowercased()
        parts[0] = host == "index.docker.io" || host == "registry-1.docker.io" ? "docker.io" : host[...]
        return parts.joined(separator: "/")
    }

    private func read(_ entry: Entry, _ registry: String) throws(CoteError) -> RegistryCredentials? {
        if let token = entry.identitytoken, !token.isEmpty { return .identityToken(token) }
        if let user = entry.username, let password = entry.password, !user.isEmpty {
            return .password(user: user, password: password)
        }
        guard let auth = entry.auth, !auth.isEmpty else { return nil }
        let bytes = Array(auth.utf8).withUnsafeBytes { Base64.decode($0) }
        guard let bytes, let colon = bytes.firstIndex(of: UInt8(ascii: ":")), colon > 0,
            let user = String(validating: bytes[..<colon], as: UTF8.self),
            let password = String(validating: bytes[(colon + 1)...], as: UTF8.self)
        else {
            throw CoteError(.badState, "credentials for \(registry) cannot be read: their form in \(path) is wrong")
        }
        // Docker's own convention for a token in the place of a password.
        return user == "<token>" ? .identityToken(password) : .password(user: user, password: password)
    }

    private func refusal(_ registry: String, _ helper: String) -> CoteError {
        let shown = helper.utf8.prefix(40).map { $0 > 0x20 && $0 < 0x7f ? $0 : UInt8(ascii: "?") }
        return CoteError(
            .badState,
            "credentials for \(registry) are left to a credential helper ('\(String(decoding: shown, as: UTF8.self))' "
                + "in \(path)), and helpers are not run",
            hint: "skopeo login --authfile FILE \(registry), and set REGISTRY_AUTH_FILE")
    }
}
