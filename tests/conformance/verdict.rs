//! What is known of each rule, and which of them still wait for a test or a reason.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::rules::{Book, Level};
use super::scan::{Citation, Rule};

/// The RFCs that we follow: each `MUST` and `SHOULD` of theirs has a test, or a reason why not.
pub(crate) const BINDING: [u32; 25] = [
    3261, 3262, 3264, 3581, 3842, 3862, 4028, 4145, 4475, 4975, 4976, 5118, 5438, 5547, 5621, 6026, 6086, 6135, 6665,
    6714, 7616, 7977, 8122, 8760, 8866,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A test shows it.
    Met,
    /// We do otherwise on purpose.
    Deviates,
    /// It speaks of something this server never is or does.
    NotApplicable,
    /// Not built yet.
    Later,
    /// No test, no reason.
    NotShown,
}

impl Verdict {
    pub(crate) const ALL: [Self; 5] = [Self::Met, Self::Deviates, Self::NotApplicable, Self::Later, Self::NotShown];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Deviates => "deviates",
            Self::NotApplicable => "not applicable",
            Self::Later => "later",
            Self::NotShown => "not shown",
        }
    }
}

/// `docs/deviations.toml`: rules whose verdict is a person's, with the reason.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decisions {
    #[serde(default)]
    deviates: Vec<Decision>,
    #[serde(default)]
    not_applicable: Vec<Decision>,
    #[serde(default)]
    later: Vec<Decision>,
    #[serde(default)]
    unbuilt: Vec<Unbuilt>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    rules: Vec<String>,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unbuilt {
    rfc: u32,
    why: String,
}

impl Decisions {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    fn lists(&self) -> [(Verdict, &[Decision]); 3] {
        [
            (Verdict::Deviates, &self.deviates),
            (Verdict::NotApplicable, &self.not_applicable),
            (Verdict::Later, &self.later),
        ]
    }
}

/// What is known of one rule.
#[derive(Default)]
pub(crate) struct Known {
    /// Tests that name it, as file and function.
    pub(crate) tests: BTreeSet<(String, String)>,
    decision: Option<(Verdict, String)>,
    /// It belongs to a whole RFC that is for later.
    unbuilt: bool,
}

impl Known {
    pub(crate) fn verdict(&self) -> Verdict {
        match &self.decision {
            Some((verdict, _)) => *verdict,
            None if !self.tests.is_empty() => Verdict::Met,
            None if self.unbuilt => Verdict::Later,
            None => Verdict::NotShown,
        }
    }

    pub(crate) fn why(&self) -> Option<&str> {
        self.decision.as_ref().map(|(_, why)| why.as_str())
    }
}

/// Everything that is known, and what contradicts itself.
pub(crate) struct Findings {
    pub(crate) rules: BTreeMap<Rule, Known>,
    /// Why an RFC as a whole is for later.
    pub(crate) unbuilt: BTreeMap<u32, String>,
    pub(crate) faults: Vec<String>,
}

impl Findings {
    pub(crate) fn new(books: &[Book], citations: &[Citation], decisions: &Decisions) -> Self {
        let rules = books.iter().flat_map(|book| book.rules.keys()).map(|rule| (rule.clone(), Known::default()));
        let mut found = Self { rules: rules.collect(), unbuilt: BTreeMap::new(), faults: Vec::new() };
        citations.iter().for_each(|citation| found.cite(citation));
        for (verdict, list) in decisions.lists() {
            for decision in list {
                decision.rules.iter().for_each(|id| found.decide(id, verdict, &decision.why));
            }
        }
        decisions.unbuilt.iter().for_each(|unbuilt| found.put_off(unbuilt));
        found
    }

    fn cite(&mut self, Citation { rule, file, test }: &Citation) {
        if !self.rules.contains_key(rule) {
            self.faults.push(format!("{file}: there is no rule {} in docs/rules", rule.id));
        } else if let Some(test) = test {
            self.rules.entry(rule.clone()).or_default().tests.insert((file.clone(), test.clone()));
        }
    }

    fn decide(&mut self, id: &str, verdict: Verdict, why: &str) {
        let rule = Rule::parse(id);
        let Some((rule, known)) = rule.as_ref().and_then(|rule| Some((rule, self.rules.get_mut(rule)?))) else {
            return self.faults.push(format!("deviations.toml: there is no rule {id} in docs/rules"));
        };
        let fault = if known.decision.is_some() {
            "stands there twice"
        } else if verdict == Verdict::Later && is_binding(rule) {
            "is not for later: its RFC is one that we follow now"
        } else if verdict != Verdict::Deviates && !known.tests.is_empty() {
            "has a test: strike it out there"
        } else {
            known.decision = Some((verdict, why.to_owned()));
            return;
        };
        self.faults.push(format!("deviations.toml: {id} {fault}"));
    }

    fn put_off(&mut self, Unbuilt { rfc, why }: &Unbuilt) {
        if BINDING.contains(rfc) {
            self.faults.push(format!("deviations.toml: RFC {rfc} is not for later"));
        }
        self.unbuilt.insert(*rfc, why.clone());
        self.rules.iter_mut().filter(|(rule, _)| rule.rfc() == Some(*rfc)).for_each(|(_, known)| known.unbuilt = true);
    }

    /// The rules that need a test or a reason and have neither.
    pub(crate) fn open(&self, books: &[Book]) -> BTreeSet<Rule> {
        let binding = books.iter().filter(|book| BINDING.contains(&book.rfc)).flat_map(|book| &book.rules);
        let asked = binding.filter(|(_, words)| words.level() != Level::Other);
        // Of the checklist nothing may stay open, whatever its level.
        let checklist = books.iter().filter(|book| book.rfc == 0).flat_map(|book| &book.rules);
        asked
            .chain(checklist)
            .map(|(rule, _)| rule)
            .filter(|rule| self.rules[*rule].verdict() == Verdict::NotShown)
            .cloned()
            .collect()
    }
}

fn is_binding(rule: &Rule) -> bool {
    rule.rfc().is_some_and(|rfc| BINDING.contains(&rfc))
}
