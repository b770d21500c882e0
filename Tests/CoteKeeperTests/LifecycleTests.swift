import CoteModel
import CoteSystem
import Glibc
import Testing

@testable import CoteKeeper

/// Sequences of events beside what the keeper must do about each.
@Suite struct LifecycleTests {
    typealias Event = Lifecycle.Event
    typealias Effect = Lifecycle.Effect
    typealias End = Lifecycle.End

    /// An event and the effects that it must have.
    struct Step: Sendable {
        let event: Event
        let effects: [Effect]

        init(_ event: Event, _ effects: Effect...) {
            self.event = event
            self.effects = effects
        }
    }

    /// A life, told as steps.
    struct Story: Sendable, CustomTestStringConvertible {
        let title: String
        let steps: [Step]
        var testDescription: String { title }

        init(_ title: String, _ steps: [Step]) {
            self.title = title
            self.steps = steps
        }
    }

    private static let killed = ExitStatus.signaled(SIGKILL)

    // How the stories begin.
    private static let booting = [Step(.boot, .enter(.booting), .startRuntime)]
    private static let running = booting + [Step(.runtimeStarted)]
    private static let ready = running + [Step(.agentReady, .enter(.ready), .sealKeeper)]
    private static let stopping = ready + [Step(.stopRequested, .enter(.stopping), .terminateCommands)]

    private static func died(_ reason: DeathReason, _ detail: String) -> Effect { .finish(.died(reason, detail)) }

    private static let closed = "the agent closed its channel"
    private static let killedDetail = "the agent was killed by signal 9"

    // MARK: Ends that were asked for

    static let stops = [
        Story(
            "commands that end by themselves within the grace",
            stopping + [
                Step(.commandsEnded, .killFirstProcess),
                Step(.firstProcessEnded(killed, outOfMemory: false), .finish(.stopped)),
            ]),
        Story(
            "commands that outlast the grace",
            stopping + [
                Step(.graceOver, .killFirstProcess), Step(.graceOver), Step(.commandsEnded),
                Step(.firstProcessEnded(killed, outOfMemory: false), .finish(.stopped)),
            ]),
        Story(
            "an agent that leaves before it is killed",
            stopping + [
                Step(.agentClosed), Step(.firstProcessEnded(.exited(0), outOfMemory: false), .finish(.stopped)),
            ]
        ),
        Story(
            "a second request to stop",
            stopping + [Step(.stopRequested), Step(.graceOver, .killFirstProcess)]),
        Story("a stop before the runtime has answered", booting + [Step(.stopRequested, .finish(.stopped))]),
        Story(
            "a stop before the agent has",
            running + [
                Step(.stopRequested, .enter(.stopping), .killFirstProcess), Step(.agentReady),
                Step(.firstProcessEnded(killed, outOfMemory: false), .finish(.stopped)),
            ]),
        Story(
            "the end of the last command of a sandbox that goes on", ready + [Step(.commandsEnded), Step(.graceOver)]),
        Story("a stop before the boot", [Step(.stopRequested), Step(.boot, .enter(.booting), .startRuntime)]),
    ]

    // MARK: Deaths, one table for each stage they can come in

    static let deathsInBoot = [
        Story(
            "start-failed", booting + [Step(.runtimeFailed("crun: no"), died(.startFailed, "crun: no"))]),
        Story(
            "boot-timeout without a process",
            booting + [Step(.bootTimedOut, died(.bootTimeout, "not ready in time"))]),
        Story(
            "boot-timeout",
            running + [
                Step(.bootTimedOut, .enter(.stopping), .killFirstProcess),
                Step(.firstProcessEnded(killed, outOfMemory: false), died(.bootTimeout, "not ready in time")),
            ]),
        Story(
            "boot-failed by an exit",
            running + [
                Step(
                    .firstProcessEnded(.exited(125), outOfMemory: false),
                    died(.bootFailed, "the agent exited with 125"))
            ]),
        Story(
            "boot-failed by a closed channel",
            running + [
                Step(.agentClosed, .killFirstProcessSoon), Step(.graceOver, .killFirstProcess),
                Step(.firstProcessEnded(killed, outOfMemory: false), died(.bootFailed, closed)),
            ]),
        Story(
            "boot-failed before the runtime has answered",
            booting + [
                Step(.agentClosed, .killFirstProcessSoon), Step(.runtimeStarted, .killFirstProcess),
                Step(.graceOver, .killFirstProcess),
                Step(.firstProcessEnded(killed, outOfMemory: false), died(.bootFailed, closed)),
            ]),
        Story(
            "oom in the boot",
            running + [
                Step(
                    .firstProcessEnded(killed, outOfMemory: true),
                    died(.oom, "the kernel killed the agent for memory"))
            ]),
        Story(
            "killed in the boot",
            running + [Step(.firstProcessEnded(killed, outOfMemory: false), died(.killed, killedDetail))]),
        Story(
            "protocol-violation in the boot",
            booting + [Step(.agentViolated("noise"), died(.protocolViolation, "noise"))]),
        Story("disk-full in the boot", booting + [Step(.diskFull, died(.diskFull, "no space left for the journal"))]),
    ]

    static let deathsWhenReady = [
        Story(
            "oom",
            ready + [
                Step(
                    .firstProcessEnded(killed, outOfMemory: true),
                    died(.oom, "the kernel killed the agent for memory"))
            ]),
        Story(
            "oom, told by the channel first",
            ready + [
                Step(.agentClosed, .killFirstProcessSoon),
                Step(
                    .firstProcessEnded(killed, outOfMemory: true),
                    died(.oom, "the kernel killed the agent for memory")),
            ]),
        Story(
            "killed", ready + [Step(.firstProcessEnded(killed, outOfMemory: false), died(.killed, killedDetail))]),
        Story(
            "killed, told by the channel first",
            ready + [
                Step(.agentClosed, .killFirstProcessSoon),
                Step(.firstProcessEnded(killed, outOfMemory: false), died(.killed, killedDetail)), Step(.graceOver),
            ]),
        Story(
            "agent-lost by an exit",
            ready + [
                Step(.agentClosed, .killFirstProcessSoon),
                Step(.firstProcessEnded(.exited(0), outOfMemory: false), died(.agentLost, "the agent exited with 0")),
            ]),
        Story(
            "agent-lost by a closed channel, the process alive",
            ready + [
                Step(.agentClosed, .killFirstProcessSoon), Step(.graceOver, .killFirstProcess),
                Step(.firstProcessEnded(killed, outOfMemory: false), died(.agentLost, closed)),
            ]),
        Story(
            "protocol-violation",
            ready + [
                Step(.agentViolated("noise"), .enter(.stopping), .killFirstProcess), Step(.agentViolated("more")),
                Step(.agentClosed),
                Step(.firstProcessEnded(killed, outOfMemory: false), died(.protocolViolation, "noise")),
            ]),
        Story(
            "expired",
            ready + [
                Step(.lifetimeOver, .enter(.stopping), .killFirstProcess),
                Step(.firstProcessEnded(killed, outOfMemory: false), died(.expired, "its lifetime is over")),
            ]),
        Story(
            "disk-full",
            ready + [
                Step(.diskFull, .enter(.stopping), .killFirstProcess), Step(.diskFull),
                Step(.firstProcessEnded(killed, outOfMemory: false), died(.diskFull, "no space left for the journal")),
            ]),
        Story(
            "a keeper that cannot be sealed",
            ready + [
                Step(.sealFailed("capset"), .enter(.stopping), .killFirstProcess),
                Step(
                    .firstProcessEnded(killed, outOfMemory: false),
                    died(.bootFailed, "the keeper cannot give up its privileges: capset")),
            ]),
        Story("a boot that was timed out too late", ready + [Step(.bootTimedOut)]),
    ]

    /// A stop that was asked for gives way to what is worse; the first death is the one that is told.
    static let deathsWhenStopping = [
        Story(
            "a violation while stopping",
            stopping + [
                Step(.agentViolated("noise"), .enter(.stopping), .killFirstProcess),
                Step(.firstProcessEnded(killed, outOfMemory: false), died(.protocolViolation, "noise")),
            ]),
        Story(
            "a full disk while stopping",
            stopping + [
                Step(.graceOver, .killFirstProcess), Step(.diskFull, .enter(.stopping), .killFirstProcess),
                Step(.firstProcessEnded(killed, outOfMemory: false), died(.diskFull, "no space left for the journal")),
            ]),
        Story(
            "a stop after a violation",
            ready + [
                Step(.agentViolated("noise"), .enter(.stopping), .killFirstProcess), Step(.stopRequested),
                Step(.graceOver),
                Step(.firstProcessEnded(killed, outOfMemory: false), died(.protocolViolation, "noise")),
            ]),
    ]

    @Test(arguments: stops + deathsInBoot + deathsWhenReady + deathsWhenStopping)
    func `a life goes as its story says`(story: Story) {
        var life = Lifecycle()
        for (index, step) in story.steps.enumerated() {
            let effects = life.handle(step.event)
            #expect(effects == step.effects, "step \(index), \(step.event)")
        }
    }

    @Test func `every reason to die is told by a story, or is not the keeper's to tell`() {
        let stories = Self.deathsInBoot + Self.deathsWhenReady
        let told = stories.flatMap(\.steps).flatMap(\.effects).compactMap { effect -> DeathReason? in
            guard case .finish(.died(let reason, _)) = effect else { return nil }
            return reason
        }
        // The keeper cannot tell its own death; the others belong to runs and to drivers that this build lacks.
        let others: [DeathReason] = [.keeperLost, .timeout, .imageUnavailable, .runtimeExited]
        #expect(Set(told).isDisjoint(with: others))
        #expect(Set(told).union(others) == Set(DeathReason.allCases))
    }

    @Test func `only the first process of a sandbox that has one ends its life`() {
        var life = Lifecycle()
        #expect(life.handle(.firstProcessEnded(Self.killed, outOfMemory: false)) == [])
        _ = life.handle(.boot)
        #expect(life.handle(.firstProcessEnded(Self.killed, outOfMemory: false)) == [])
        #expect(!life.isOver)
    }

    @Test(arguments: stops.prefix(2) + deathsWhenReady.dropLast() + deathsInBoot)
    func `nothing happens after the end`(story: Story) {
        var life = Lifecycle()
        for step in story.steps { _ = life.handle(step.event) }
        #expect(life.isOver)
        for event in RandomLife.events { #expect(life.handle(event) == [], "\(event)") }
    }
}
