import CoteTestSupport
import Testing

/// What happens when things go wrong: processes killed at any moment, commands that take all there is, agents and
/// clients that mean harm. One test at a time: each of them keeps the machine busy.
@Suite(.serialized, .requires(.root, .crun)) enum FaultTests {}

/// A fault test's own failure to come to its point.
struct Unmet: Error, CustomStringConvertible {
    let description: String
}
