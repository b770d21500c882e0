import Glibc
import NIOCore

/// How near an address is. What is on this machine, or on its link (where clouds keep their metadata), trusts whoever
/// can reach it, so a registry elsewhere must not send anyone there.
enum AddressZone: Equatable, Sendable {
    case loopback
    case linkLocal
    case elsewhere

    /// Of an address that a connection has; a socket without one is this machine's.
    init(_ address: SocketAddress) {
        self = address.ipAddress.flatMap(Self.init(written:)) ?? .loopback
    }

    /// Of a host that is written as an address, or is `localhost`; `nil` for other names:
    /// their connection is looked at when it stands.
    init?(host: String) {
        if host == "localhost" || host.hasSuffix(".localhost") {
            self = .loopback
        } else {
            self.init(written: host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host)
        }
    }

    private init?(written text: String) {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 {
            self = Self.zone(four: bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) })
        } else if inet_pton(AF_INET6, text, &bytes) == 1 {
            self = Self.zone(six: bytes)
        } else {
            return nil
        }
    }

    /// Whether a registry in this zone may send anyone to `other`.
    func mayLead(to other: AddressZone) -> Bool { other == .elsewhere || other == self }

    private static func zone(four address: UInt32) -> AddressZone {
        switch address >> 24 {
        // 0.0.0.0 connects to this machine.
        case 0, 127: return .loopback
        default: return address >> 16 == 0xa9fe ? .linkLocal : .elsewhere
        }
    }

    private static func zone(six bytes: [UInt8]) -> AddressZone {
        let tail = bytes[12...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
        let isTranslated = bytes[..<12].elementsEqual([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0])
        if isMapped || isTranslated { return zone(four: tail) }
        if bytes[..<12].allSatisfy({ $0 == 0 }) { return tail <= 1 ? .loopback : zone(four: tail) }
        if bytes[0] == 0xfe, bytes[1] & 0xc0 == 0x80 { return .linkLocal }
        // fd00:ec2::/32, the metadata of one cloud, which is not link-local.
        return bytes[..<4].elementsEqual([0xfd, 0, 0x0e, 0xc2]) ? .linkLocal : .elsewhere
    }
}
