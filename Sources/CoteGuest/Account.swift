import CoteModel
import CoteSystem

/// A user of the sandbox, from its own `/etc/passwd` and `/etc/group`. The C library's look-ups would load code from
/// the image; these files are read as text, and whatever they say, a command gets no capability from it.
struct Account {
    var credentials: Credentials
    var name: String
    var home: String

    /// What a command runs as when nobody says otherwise.
    static let root = Account(credentials: Credentials(user: 0, group: 0), name: "root", home: "/root")

    /// Reads `user` or `user:group`, each a name or a number.
    static func find(_ text: String, passwd: String, group: String) throws(CoteError) -> Account {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let unknown = CoteError(.unknownUser, "no user '\(text)' in the sandbox's /etc/passwd")
        var account: Account
        if let entry = records(passwd).first(where: { $0.count >= 6 && $0[0] == parts[0] }) ?? number(parts[0], passwd),
            let user = UInt32(entry[2]), let primary = UInt32(entry[3])
        {
            account = Account(credentials: Credentials(user: user, group: primary), name: entry[0], home: entry[5])
            account.credentials.groups = memberships(of: entry[0], group, primary: primary)
        } else if let user = UInt32(parts[0]), user < SandboxSpec.reservedUser {
            account = Account(credentials: Credentials(user: user, group: user), name: parts[0], home: "/")
        } else {
            throw unknown
        }
        if parts.count == 2 {
            let named = records(group).first { $0.count >= 3 && $0[0] == parts[1] }.flatMap { UInt32($0[2]) }
            guard let chosen = named ?? UInt32(parts[1]) else { throw unknown }
            account.credentials.group = chosen
        }
        guard account.credentials.user < SandboxSpec.reservedUser, account.credentials.group < SandboxSpec.userCount
        else {
            throw unknown
        }
        return account
    }

    private static func number(_ text: String, _ passwd: String) -> [String]? {
        guard UInt32(text) != nil else { return nil }
        return records(passwd).first { $0.count >= 6 && $0[2] == text }
    }

    private static func memberships(of name: String, _ group: String, primary: UInt32) -> [UInt32] {
        let all = records(group).filter { $0.count >= 4 && $0[3].split(separator: ",").contains(Substring(name)) }
        // The kernel takes more, but no honest account is in so many groups.
        return Array(all.compactMap { UInt32($0[2]) }.filter { $0 != primary && $0 < SandboxSpec.userCount }.prefix(64))
    }

    private static func records(_ text: String) -> [[String]] {
        text.split(separator: "\n").map {
            $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
    }
}
