//! The text format. It is `OpenMetrics` 1.0, and only that part of it which the Prometheus text format has too: a textfile
//! collector reads that one, and knows neither `stateset` nor `info`.

use std::fmt::Write;

/// Characters of a label's value at most.
const MAX_LABEL: usize = 128;

/// A document that is being written, family by family.
#[derive(Default)]
pub struct Exposition {
    text: String,
}

/// What all samples of a family have in common. All of them are gauges: each is a state of now.
pub struct Family {
    /// Ends with the unit, where there is one.
    pub name: &'static str,
    /// `None`: a number of things, or 1 and 0 for yes and no.
    pub unit: Option<&'static str>,
    pub help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Whole(i64),
    /// Between 0 and 1.
    Ratio(f64),
}

impl Value {
    pub fn yes(is: bool) -> Self {
        Self::Whole(i64::from(is))
    }

    pub fn count(number: usize) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }

    pub fn unsigned(number: u64) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Names and values of the labels of a sample.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

impl Exposition {
    /// Begins a family; its samples follow, nothing else between them.
    pub fn family(&mut self, family: &Family) -> Samples<'_> {
        let Family { name, unit, help } = family;
        let _ = writeln!(self.text, "# TYPE {name} gauge");
        if let Some(unit) = unit {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.text, "# HELP {name} {}", escaped(help));
        Samples { name: family.name, text: &mut self.text }
    }

    /// The document with its last line: who reads it knows that nothing is missing.
    pub fn end(mut self) -> String {
        self.text.push_str("# EOF\n");
        self.text
    }
}

/// The samples of one family.
pub struct Samples<'a> {
    name: &'static str,
    text: &'a mut String,
}

impl Samples<'_> {
    pub fn add(&mut self, labels: Labels<'_>, value: Value) {
        self.text.push_str(self.name);
        for (number, (name, value)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{name}=\"{}\"", label(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = match value {
            Value::Whole(number) => writeln!(self.text, " {number}"),
            Value::Ratio(share) => writeln!(self.text, " {share:.4}"),
        };
    }
}

/// A label's value, cut where it is too long. Control characters become spaces: some readers take them for the end.
fn label(text: &str) -> String {
    let short: String =
        text.chars().take(MAX_LABEL).map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    escaped(&short)
}

/// The three escapes that the format has.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_bounded() {
        let mut exposition = Exposition::default();
        let family = Family { name: "ecdeck_age_seconds", unit: Some("seconds"), help: "An \"age\"." };
        let mut samples = exposition.family(&family);
        samples.add(&[("volume", "a\"b\\c\nd\u{1b}e")], Value::Whole(-3));
        samples.add(&[("volume", &"x".repeat(500)), ("kind", "EC")], Value::Ratio(0.25));
        samples.add(&[], Value::yes(true));
        let long = "x".repeat(MAX_LABEL);
        let wanted = format!(
            "# TYPE ecdeck_age_seconds gauge\n# UNIT ecdeck_age_seconds seconds\n# HELP ecdeck_age_seconds An \\\"age\\\".\n\
             ecdeck_age_seconds{{volume=\"a\\\"b\\\\c\\nd e\"}} -3\n\
             ecdeck_age_seconds{{volume=\"{long}\",kind=\"EC\"}} 0.2500\necdeck_age_seconds 1\n# EOF\n"
        );
        assert_eq!(exposition.end(), wanted);
    }
}
