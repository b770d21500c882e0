/// One side of a row: what was measured, one number for each run.
struct Samples {
    let name: String
    private(set) var values: [Double] = []

    init(_ name: String) { self.name = name }

    mutating func add(_ value: Double) { values.append(value) }

    /// The same runs in another unit.
    func map(_ body: (Double) -> Double) -> Samples {
        var samples = self
        samples.values = values.map(body)
        return samples
    }

    var median: Double {
        guard !values.isEmpty else { return .nan }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }

    var minimum: Double { values.min() ?? .nan }
    var maximum: Double { values.max() ?? .nan }
}

/// What a number must be, and what it is.
struct Bar {
    enum Kind {
        /// At most so much.
        case most(Double)
        /// At least so much.
        case least(Double)
    }

    /// What is compared: `× crun exec`, or a unit.
    let what: String
    let kind: Kind
    let value: Double

    init(_ value: Double, _ kind: Kind, _ what: String) {
        self.what = what
        self.kind = kind
        self.value = value
    }

    var isMet: Bool {
        switch kind {
        case .most(let bound): value <= bound
        case .least(let bound): value >= bound
        }
    }

    var text: String {
        switch kind {
        case .most(let bound): "≤ \(bound.short) \(what): \(value.short)"
        case .least(let bound): "≥ \(bound.short) \(what): \(value.short)"
        }
    }
}

/// One line of the table: Cote beside its peers.
struct Row {
    let name: String
    let unit: String
    let cote: Samples
    let peers: [Samples]
    var bars: [Bar] = []
    /// What a reader must know to read the numbers.
    var notes: [String] = []

    /// Adds a bar on the ratio of the medians of Cote and one of the peers.
    mutating func bar(_ kind: Bar.Kind, times peer: String) {
        guard let samples = peers.first(where: { $0.name == peer }) else { return }
        bars.append(Bar(cote.median / samples.median, kind, "× \(peer)"))
    }
}

extension Double {
    /// Three digits that count.
    var short: String {
        guard isFinite else { return "–" }
        let places = abs(self) >= 100 ? 0 : abs(self) >= 10 ? 1 : abs(self) >= 1 ? 2 : 3
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let rounded = Int64((self * scale).rounded())
        let whole = rounded / Int64(scale)
        let part = abs(rounded % Int64(scale))
        let sign = self < 0 && whole == 0 ? "-" : ""
        let digits = String(repeating: "0", count: places - min(places, "\(part)".count)) + "\(part)"
        return places == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(digits)"
    }
}
