//! The text format itself, version 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>. A hundred lines of text do
//! not need a registry: every number is known at the moment it is written.

use std::fmt::Write as _;

use super::histogram::Histogram;

/// What a family's numbers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// A text in the making.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// A family with one number for each set of labels.
    pub fn family<'l, const N: usize>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'l str, String); N], f64)>,
    ) {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.head(name, word, help);
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    /// A family with one number.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help, [([], value)]);
    }

    /// A histogram.
    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (bound, count) in histogram.cumulative() {
            let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            self.sample(&bucket, &[("le", bound)], count as f64);
        }
        self.sample(&format!("{name}_sum"), &[], histogram.sum());
        self.sample(&format!("{name}_count"), &[], histogram.count() as f64);
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail; so below.
        let _ =
            writeln!(self.0, "# HELP {name} {}\n# TYPE {name} {kind}", help.replace('\\', r"\\").replace('\n', r"\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, String)], value: f64) {
        self.0 += name;
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if at == 0 { '{' } else { ',' });
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_histograms_add_up() {
        let mut text = Exposition::default();
        text.family(
            "a_total",
            Kind::Counter,
            "Two\nlines.",
            [([("l", "x\"y\\z\n".to_owned()), ("m", "1".to_owned())], 2.5)],
        );
        let mut histogram = Histogram::new(&[0.5, 1.0]);
        for value in [0.25, 0.5, 0.75, 9.0] {
            histogram.observe(value);
        }
        text.histogram("h_seconds", "How long.", &histogram);
        insta::assert_snapshot!(text.into_text(), @r#"
        # HELP a_total Two\nlines.
        # TYPE a_total counter
        a_total{l="x\"y\\z\n",m="1"} 2.5
        # HELP h_seconds How long.
        # TYPE h_seconds histogram
        h_seconds_bucket{le="0.5"} 2
        h_seconds_bucket{le="1"} 3
        h_seconds_bucket{le="+Inf"} 4
        h_seconds_sum 10.5
        h_seconds_count 4
        "#);
    }
}
