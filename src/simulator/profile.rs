//! A file that says how long things take: `beamline simulate --latency FILE`.
//!
//! What the file names takes exactly that long (or a time between two, drawn from the seed); what it does
//! not name takes its time from the latency that the file builds on. Every mistake is refused with its
//! place: a type that the world has not, an operation that the type answers at once, a time that is none.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::options::Latency;
use super::providers::{self, Answer, KINDS, Removal, Style};
use super::times::{Deed, Lag};

/// Most bytes of a profile.
const MAX_BYTES: usize = 1024 * 1024;

/// The longest time that a profile may name, in seconds: a week.
const MAX_SECS: f64 = 7.0 * 24.0 * 3600.0;

/// How long things take, as a file says it, in YAML (or JSON, which is YAML). Every part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LatencyProfile {
    /// How long everything takes that the file does not name.
    base: Base,
    #[serde(deserialize_with = "read_types")]
    types: BTreeMap<&'static str, TypeTimes>,
    replication: Replication,
}

/// What a profile builds on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Base {
    None,
    Fast,
    #[default]
    Realistic,
}

/// The times of one resource type.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TypeTimes {
    create: Option<TimeRange>,
    update: Option<TimeRange>,
    delete: Option<TimeRange>,
    /// Starting, stopping and restarting; computes only.
    power: Option<TimeRange>,
    retry_after: Option<TimeRange>,
}

/// How long the rest of Azure does not know.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Replication {
    principals: Option<TimeRange>,
    role_assignments: Option<TimeRange>,
    role_removals: Option<TimeRange>,
    resource_graph: Option<TimeRange>,
    registrations: Option<TimeRange>,
    by_products: Option<TimeRange>,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is larger than a profile can be.
    #[error("the latency profile has {0} bytes; at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// It has not the shape of a profile.
    #[error("the latency profile cannot be read")]
    Shape(#[from] serde_yaml::Error),
}

impl LatencyProfile {
    /// Reads a profile.
    ///
    /// # Errors
    /// When the text is too large or has another shape; the cause names the place.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        if text.len() > MAX_BYTES {
            return Err(ProfileError::TooLarge(text.len()));
        }
        Ok(serde_yaml::from_str(text)?)
    }

    /// The latency that the profile builds on.
    pub(super) fn latency(&self) -> Latency {
        match self.base {
            Base::None => Latency::None,
            Base::Fast => Latency::FAST,
            Base::Realistic => Latency::REALISTIC,
        }
    }

    pub(super) fn operation(&self, arm_type: &str, deed: Deed) -> Option<TimeRange> {
        let times = self.types.get(arm_type)?;
        match deed {
            Deed::Create => times.create,
            Deed::Update => times.update,
            Deed::Delete => times.delete,
            Deed::Power => times.power,
        }
    }

    pub(super) fn retry_after(&self, arm_type: &str) -> Option<TimeRange> {
        self.types.get(arm_type)?.retry_after
    }

    pub(super) fn lag(&self, lag: Lag) -> Option<TimeRange> {
        match lag {
            Lag::Principal => self.replication.principals,
            Lag::RoleAssignment => self.replication.role_assignments,
            Lag::RoleRemoval => self.replication.role_removals,
            Lag::ResourceGraph => self.replication.resource_graph,
            Lag::Registration => self.replication.registrations,
            Lag::ByProduct => self.replication.by_products,
        }
    }
}

/// A time, or two between which one is drawn, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TimeRange {
    shortest: f64,
    longest: f64,
}

impl TimeRange {
    /// The time at this part of the way from the shortest to the longest.
    pub(super) fn at(self, spread: f64) -> Duration {
        let seconds = self.shortest + spread * (self.longest - self.shortest);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
    }

    fn between(shortest: f64, longest: f64) -> Result<Self, String> {
        if !(0.0..=MAX_SECS).contains(&shortest) || !(0.0..=MAX_SECS).contains(&longest) {
            return Err("a time is between 0s and 7d".to_owned());
        }
        if shortest > longest {
            return Err("a range begins with its shorter time, such as 20s..40s".to_owned());
        }
        Ok(Self { shortest, longest })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let seconds = |part: &str| {
            let duration: Result<jiff::SignedDuration, _> = part.trim().parse();
            let wrong =
                |_| format!("`{part}` is no time: write 20s, 1m 30s, PT20S or a range such as 20s..40s");
            duration.map(|duration| duration.as_secs_f64()).map_err(wrong)
        };
        match text.split_once("..") {
            Some((shortest, longest)) => Self::between(seconds(shortest)?, seconds(longest)?),
            None => seconds(text).and_then(|time| Self::between(time, time)),
        }
    }
}

impl<'de> Deserialize<'de> for TimeRange {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(TimeVisitor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = TimeRange;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as 20s, a range such as 20s..40s, or a number of seconds")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<TimeRange, E> {
        TimeRange::parse(text).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<TimeRange, E> {
        TimeRange::between(seconds, seconds).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<TimeRange, E> {
        self.visit_f64(Duration::from_secs(seconds).as_secs_f64())
    }
}

/// The name of a resource type of the world, in any casing.
struct TypeName(&'static Style);

impl<'de> Deserialize<'de> for TypeName {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let name = String::deserialize(source)?;
        let found = providers::kind(&name).map(|kind| Self(kind.style()));
        found.ok_or_else(|| D::Error::custom(unknown(&name)))
    }
}

fn unknown(name: &str) -> String {
    let namespace = name.split('/').next().unwrap_or_default();
    let near = KINDS
        .iter()
        .map(|kind| kind.style().arm_type)
        .filter(|own| own.split('/').next().is_some_and(|known| known.eq_ignore_ascii_case(namespace)));
    let near = near.collect::<Vec<_>>().join(", ");
    if near.is_empty() {
        return format!(
            "the simulated Azure has no resource type `{name}`; docs/simulator.md lists its types"
        );
    }
    format!("the simulated Azure has no resource type `{name}`; of {namespace} it has {near}")
}

/// Refuses a time for what a type answers at once: nothing would come of it.
fn check(style: &Style, times: &TypeTimes) -> Result<(), String> {
    let at_once = |answer: Answer| matches!(answer, Answer::Sync(_));
    let gone_at_once = matches!(style.delete, Removal::Sync | Removal::SyncWithBody);
    let has_power = style.arm_type.ends_with("/computes");
    for (name, time, idle) in [
        ("create", times.create, at_once(style.create)),
        ("update", times.update, at_once(style.update) && at_once(style.patch)),
        ("delete", times.delete, gone_at_once),
        ("power", times.power, !has_power),
    ] {
        if idle && time.is_some() {
            let arm_type = style.arm_type;
            return Err(format!("{arm_type} does `{name}` at once or not at all: take the line away"));
        }
    }
    Ok(())
}

struct Types;

impl<'de> Visitor<'de> for Types {
    type Value = BTreeMap<&'static str, TypeTimes>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("resource types and their times")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut types = BTreeMap::new();
        while let Some(TypeName(style)) = map.next_key()? {
            let times: TypeTimes = map.next_value()?;
            check(style, &times).map_err(A::Error::custom)?;
            if types.insert(style.arm_type, times).is_some() {
                return Err(A::Error::custom(format!("{} is named twice", style.arm_type)));
            }
        }
        Ok(types)
    }
}

fn read_types<'de, D: Deserializer<'de>>(source: D) -> Result<BTreeMap<&'static str, TypeTimes>, D::Error> {
    source.deserialize_map(Types)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_from_yaml_and_from_json() {
        let yaml = "
base: fast
types:
  microsoft.storage/storageaccounts: { create: 20s..40s, retry_after: 5 }
  Microsoft.MachineLearningServices/workspaces/computes: { create: 4m 30s, delete: PT90S, power: 1.5 }
replication: { principals: 30s, role_removals: 1m..10m }
";
        let profile = LatencyProfile::parse(yaml).unwrap();
        let time = |arm_type, deed| profile.operation(arm_type, deed).unwrap();
        let account = time("Microsoft.Storage/storageAccounts", Deed::Create);
        assert_eq!((account.at(0.0).as_secs(), account.at(1.0).as_secs()), (20, 40));
        let computes = "Microsoft.MachineLearningServices/workspaces/computes";
        assert_eq!(time(computes, Deed::Create).at(0.5).as_secs(), 270);
        assert_eq!(time(computes, Deed::Delete).at(0.5).as_secs(), 90);
        assert_eq!(time(computes, Deed::Power).at(0.5).as_millis(), 1500);
        assert_eq!(profile.lag(Lag::RoleRemoval).unwrap().at(1.0).as_secs(), 600);
        assert_eq!(profile.lag(Lag::ResourceGraph), None);
        let json = r#"{"types":{"Microsoft.Storage/storageAccounts":{"create":7}}}"#;
        assert!(LatencyProfile::parse(json).is_ok());
        assert_eq!(LatencyProfile::parse("{}").unwrap(), LatencyProfile::default());
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, said) in [
            (
                "types:\n  Microsoft.Storage/storageAccount: { create: 1s }",
                "of Microsoft.Storage it has Microsoft.Storage/storageAccounts",
            ),
            ("types:\n  Contoso.Tea/pots: { create: 1s }", "docs/simulator.md lists its types"),
            (
                "types:\n  Microsoft.Authorization/locks: { create: 1s }",
                "Microsoft.Authorization/locks does `create` at once",
            ),
            ("types:\n  Microsoft.KeyVault/vaults:\n    create: soon", "line 3"),
            ("types:\n  Microsoft.KeyVault/vaults:\n    create: 40s..20s", "begins with its shorter time"),
            ("types:\n  Microsoft.KeyVault/vaults:\n    create: -3s", "between 0s and 7d"),
            ("types:\n  Microsoft.KeyVault/vaults:\n    create: .nan", "between 0s and 7d"),
            ("types:\n  Microsoft.KeyVault/vaults:\n    creation: 1s", "unknown field `creation`"),
            ("replications: {}", "unknown field `replications`"),
            ("base: slow", "unknown variant `slow`"),
        ] {
            let Err(ProfileError::Shape(cause)) = LatencyProfile::parse(text) else {
                panic!("{text} was accepted");
            };
            let sentence = cause.to_string();
            assert!(sentence.contains(said), "{text}: {sentence}");
            assert!(
                said.contains("line") || sentence.contains("line") || text.lines().count() == 1,
                "{sentence}"
            );
        }
    }
}
