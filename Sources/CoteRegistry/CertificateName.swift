/// Whether a name in a certificate covers a host (RFC 9525, section 6.3).
enum CertificateName {
    /// - Parameters:
    ///   - name: as the certificate has it, any bytes.
    ///   - host: in lower case.
    static func covers(_ name: some Sequence<UInt8>, host: String) -> Bool {
        let name = name.map { $0 >= 0x41 && $0 <= 0x5a ? $0 | 0x20 : $0 }
        let host = Array(host.hasSuffix(".") ? host.utf8.dropLast() : host.utf8[...])
        guard name.starts(with: [0x2a, 0x2e]) else { return !name.isEmpty && name == host }
        // A star is one whole label, and never all but the last one.
        guard let dot = host.firstIndex(of: 0x2e), dot > 0, host[(dot + 1)...].contains(0x2e) else { return false }
        return host[dot...].elementsEqual(name.dropFirst())
    }
}
