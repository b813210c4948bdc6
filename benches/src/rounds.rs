//! Rounds: two things measured in turn, so that what the machine does meanwhile meets both, and the medians compared.

/// What several rounds found of one figure, for the service and for what it is compared with.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Compared {
    /// Notes one round.
    pub fn note(&mut self, ours: f64, theirs: f64) {
        self.ours.push(ours);
        self.theirs.push(theirs);
    }

    /// The service's median.
    pub fn ours(&self) -> f64 {
        median(&self.ours)
    }

    /// The median of what it is compared with.
    pub fn theirs(&self) -> f64 {
        median(&self.theirs)
    }

    /// The ratio of the medians.
    pub fn ratio(&self) -> f64 {
        self.ours() / self.theirs()
    }

    /// The smallest and the largest ratio of a round: how far the machine can be trusted.
    pub fn spread(&self) -> (f64, f64) {
        let ratios = || self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs);
        (ratios().fold(f64::INFINITY, f64::min), ratios().fold(0.0, f64::max))
    }
}

/// The middle value; of an even number of them, the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}
