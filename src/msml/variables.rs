//! Shadow variables: what the primitives of one dialog have left behind (RFC 5707 §9.2).

/// What one primitive left.
#[derive(Debug)]
struct Outcome {
    class: &'static str,
    id: Option<String>,
    values: Vec<(String, String)>,
}

/// All of a dialog's variables, the latest outcome last. Scripts read them and cannot set them.
#[derive(Debug, Default)]
pub(super) struct Variables {
    outcomes: Vec<Outcome>,
}

impl Variables {
    /// Keeps what a primitive left; a second one of the same class and id takes the place of the first.
    pub(super) fn keep(&mut self, class: &'static str, id: Option<&str>, values: Vec<(String, String)>) {
        self.outcomes.retain(|outcome| outcome.class != class || outcome.id.as_deref() != id);
        self.outcomes.push(Outcome { class, id: id.map(str::to_owned), values });
    }

    /// The variables of a namelist with their values; what was never set has the value `undefined`.
    pub(super) fn pairs(&self, namelist: &[String]) -> Vec<(String, String)> {
        namelist.iter().map(|name| (name.clone(), self.value(name).unwrap_or("undefined").to_owned())).collect()
    }

    /// `record.len` is the latest recording's, `record.ID.len` that of the one so named. A variable without a class of its
    /// own (`ft.result`) is the latest transfer's, and `ft.ID.result` that of the one so named.
    fn value(&self, name: &str) -> Option<&str> {
        let (class, rest) = name.split_once('.')?;
        let class = if class == "collect" { "dtmf" } else { class };
        let latest = self.outcomes.iter().rev();
        let shared = !["play", "record", "transfer", "dtmf"].contains(&class);
        let is_of = |outcome: &&Outcome| if shared { outcome.class != "dtmf" } else { outcome.class == class };
        let mut of_class = latest.filter(is_of);
        let named = of_class.clone().find_map(|outcome| {
            let own = rest.strip_prefix(outcome.id.as_deref()?)?.strip_prefix('.')?;
            outcome.value(&format!("{class}.{own}"))
        });
        named.or_else(|| of_class.next()?.value(&format!("{class}.{rest}")))
    }
}

impl Outcome {
    fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    // DC-14
    #[test]
    fn a_variable_is_the_latest_ones_or_the_named_ones_or_undefined() {
        let mut variables = Variables::default();
        variables.keep("record", Some("a.b"), vec![pair("record.len", "1"), pair("ft.result", "ft.success")]);
        variables.keep("record", None, vec![pair("record.end", "record.complete")]);
        variables.keep("dtmf", None, vec![pair("dtmf.end", "dtmf.noinput")]);
        let is = |name: &str, value| assert_eq!(variables.pairs(&[name.to_owned()]), [pair(name, value)]);
        is("record.a.b.len", "1");
        is("record.end", "record.complete");
        is("record.len", "undefined"); // of the latest recording, not of an earlier one
        is("collect.end", "dtmf.noinput");
        is("ft.result", "undefined"); // likewise
        is("play.amt", "undefined");
        is("len", "undefined");
    }

    #[test]
    fn a_second_unnamed_primitive_overwrites_the_first() {
        let mut variables = Variables::default();
        variables.keep("play", None, vec![pair("play.amt", "1")]);
        variables.keep("play", None, vec![pair("play.amt", "2")]);
        assert_eq!(variables.outcomes.len(), 1);
        assert_eq!(variables.value("play.amt"), Some("2"));
    }
}
