//! Times of one thing, and how a table shows them.

use std::fmt;
use std::time::Duration;

/// Times in milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Spread(Vec<f64>);

impl Spread {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1000.0);
        self.0.sort_by(f64::total_cmp);
    }

    pub fn at(&self, hundredth: usize) -> f64 {
        self.0.get(self.0.len().saturating_sub(1) * hundredth / 100).copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        self.at(50)
    }

    pub fn most(&self) -> f64 {
        self.at(100)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p10, median, p90, p99, most] = [10, 50, 90, 99, 100].map(|hundredth| self.at(hundredth));
        write!(
            f,
            "{median:>8.2} ms (p10 {p10:.2}, p90 {p90:.2}, p99 {p99:.2}, most {most:.2}, {} rounds)",
            self.0.len()
        )
    }
}

/// The load averages of the machine.
pub fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
