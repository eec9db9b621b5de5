//! Edits of a definition, drawn from the catalog: every field to other valid values, names, short names, regions,
//! groups, removals and additions. A type that is added to the workshop is edited by itself.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use beamline::definitions::{Environment, SourceFile, load};
use beamline::resources::{Address, Reference};
use serde_json::{Value, json};

use super::draw::Draw;
use crate::support::{Definition, address, leaves, values, workshop};

const REGIONS: [&str; 3] = ["eastus", "westus", "northeurope"];
const GROUPS: [&str; 3] = ["rg-ml-production", "rg-ml-second", "rg-ml-third"];

/// The environment that a definition makes; `None` where it has errors.
pub(super) fn environment_of(definition: &Definition) -> Option<Environment> {
    let file = SourceFile::from_bytes("environments/production.yaml", definition.text().as_bytes());
    load(&[file]).environment
}

/// The workshop, which is read once.
fn whole() -> &'static Sound {
    static WHOLE: LazyLock<Sound> = LazyLock::new(|| Sound::of(workshop()).expect("the workshop is sound"));
    &WHOLE
}

/// A definition that is sound, and its environment.
#[derive(Clone)]
pub(super) struct Sound {
    pub(super) definition: Definition,
    pub(super) environment: Environment,
}

impl Sound {
    fn of(definition: Definition) -> Option<Self> {
        let environment = environment_of(&definition)?;
        Some(Self { definition, environment })
    }

    /// Part of the workshop: histories differ in what they are about, and small ones are quick.
    pub(super) fn drawn(draw: &mut Draw) -> Self {
        let whole = whole();
        let mut gone = BTreeSet::new();
        for address in whole.environment.resources.keys() {
            let mut going = BTreeSet::new();
            dependents(&whole.environment, address, &mut going);
            if draw.chance(50) && !going.iter().any(|one| one.kind().is_single()) {
                gone.extend(going);
            }
        }
        let rest =
            gone.iter().fold(whole.definition.clone(), |rest, address| removed(rest, &address.local()));
        Self::of(rest).expect("what nothing refers to can go")
    }

    /// An edit that leaves it sound, and what it is, for people.
    pub(super) fn edited(&self, draw: &mut Draw) -> Option<(String, Self)> {
        let (told, definition) = self.edit(draw)?;
        let changed = definition != self.definition;
        Some((told, Self::of(definition).filter(|_| changed)?))
    }

    fn edit(&self, draw: &mut Draw) -> Option<(String, Definition)> {
        let definition = self.definition.clone();
        let addresses: Vec<&Address> = self.environment.resources.keys().collect();
        let address = *draw.among(&addresses)?;
        let local = address.local();
        match draw.below(20) {
            0..=7 => self.field(draw, address),
            8 | 9 => {
                let name = match whole().environment.resources.get(address) {
                    // What was there before is had again.
                    Some(first) if draw.chance(40) => first.name.clone(),
                    Some(_) | None => near(&self.environment.resources.get(address)?.name, draw),
                };
                Some((format!("{local} is called {name}"), definition.with(&format!("{local}/name"), name)))
            }
            10 => self.short_name(draw, address),
            11 | 12 => Some((format!("{local} is taken out"), self.without(address)?)),
            13 | 14 => self.added(draw),
            15 => {
                let region = *draw.among(&REGIONS)?;
                // Everything moves.
                let path = if draw.chance(10) { "location".to_owned() } else { format!("{local}/location") };
                Some((format!("{path} is {region}"), definition.with(&path, region)))
            }
            16 => {
                let name = *draw.among(&GROUPS)?;
                Some((format!("the group is {name}"), definition.with("resource_group/name", name)))
            }
            17 => {
                let path =
                    if draw.chance(50) { "tags/team".to_owned() } else { format!("{local}/tags/floor") };
                let value = draw.below(3).to_string();
                Some((format!("{path} is {value}"), definition.with(&path, value)))
            }
            18 => self.swapped(draw, address),
            _ => {
                let value = *draw.among(&["purge", "keep"])?;
                let path = format!("{local}/on_delete");
                Some((format!("{path} is {value}"), definition.with(&path, value)))
            }
        }
    }

    fn field(&self, draw: &mut Draw, address: &Address) -> Option<(String, Definition)> {
        let kind = address.kind();
        let leaves = leaves(kind);
        let leaf = draw.among(&leaves)?;
        let path = format!("{}/{}", address.local(), leaf.path.replace('.', "/"));
        let now = self.definition.0.pointer(&format!("/{path}"));
        let definition = self.definition.clone();
        if now.is_some() && draw.chance(25) {
            return Some((format!("{path} is taken out"), definition.without(&path)));
        }
        let value = draw.among(&values(kind, &leaf.path, leaf.field.shape))?.clone();
        Some((format!("{path} is {value}"), definition.with(&path, value)))
    }

    fn short_name(&self, draw: &mut Draw, address: &Address) -> Option<(String, Definition)> {
        if address.kind().is_single() {
            return None;
        }
        let local = address.local();
        let (outer, old) = local.rsplit_once('/')?;
        let new = near(old, draw);
        let node = self.definition.0.pointer(&format!("/{local}"))?.clone();
        if self.definition.0.pointer(&format!("/{outer}/{new}")).is_some() {
            return None;
        }
        let mut definition = self.definition.clone().without(&local).with(&format!("{outer}/{new}"), node);
        for resource in self.environment.resources.values() {
            let holder = resource.address.local();
            let holder = moved_path(&holder, &local, &format!("{outer}/{new}"));
            for (path, reference) in &resource.references {
                let Reference::Local(target) = reference else { continue };
                let target = target.local();
                if target != local && !target.starts_with(&format!("{local}/")) {
                    continue;
                }
                let place = format!("/{holder}/{}", path.replace('.', "/"));
                if let Some(text) = definition.0.pointer_mut(&place) {
                    let renamed = text.as_str().map(|text| with_segment(text, old, &new));
                    *text = json!(renamed?);
                }
            }
        }
        Some((format!("{local} has the short name {new}"), definition))
    }

    /// Without it and without everything that refers to it.
    fn without(&self, address: &Address) -> Option<Definition> {
        let mut gone = BTreeSet::new();
        dependents(&self.environment, address, &mut gone);
        let is_needed = gone.iter().any(|one| one.kind().is_single());
        (!is_needed)
            .then(|| gone.iter().fold(self.definition.clone(), |rest, one| removed(rest, &one.local())))
    }

    fn added(&self, draw: &mut Draw) -> Option<(String, Definition)> {
        let Self { definition: whole, environment: declared } = whole();
        let missing: Vec<String> = declared
            .resources
            .keys()
            .map(Address::local)
            .filter(|local| self.definition.0.pointer(&format!("/{local}")).is_none())
            .collect();
        let local = draw.among(&missing)?;
        let mut definition = self.definition.clone();
        // With everything that it refers to.
        let mut open = vec![address(local)];
        while let Some(one) = open.pop() {
            let place = one.local();
            if definition.0.pointer(&format!("/{place}")).is_some() {
                continue;
            }
            open.extend(one.outer());
            open.extend(declared.resources.get(&one)?.references.values().filter_map(|reference| {
                match reference {
                    Reference::Local(target) => Some(target.clone()),
                    Reference::Arm(_) => None,
                }
            }));
            definition = definition.with(&place, whole.0.pointer(&format!("/{place}"))?.clone());
        }
        Some((format!("{local} is added"), definition))
    }

    /// Two of a kind take each other's names.
    fn swapped(&self, draw: &mut Draw, address: &Address) -> Option<(String, Definition)> {
        let resources = &self.environment.resources;
        let others: Vec<&Address> = resources
            .keys()
            .filter(|other| {
                other.kind() == address.kind() && *other != address && other.outer() == address.outer()
            })
            .collect();
        let other = *draw.among(&others)?;
        let (one, two) = (resources.get(address)?, resources.get(other)?);
        let definition = self
            .definition
            .clone()
            .with(&format!("{}/name", address.local()), two.name.as_str())
            .with(&format!("{}/name", other.local()), one.name.as_str());
        Some((format!("{} and {} swap their names", address.local(), other.local()), definition))
    }
}

/// What refers to `address`, directly or not, or lies inside it; and itself.
fn dependents(environment: &Environment, address: &Address, found: &mut BTreeSet<Address>) {
    if !found.insert(address.clone()) {
        return;
    }
    for resource in environment.resources.values() {
        let refers = resource.references.values().any(|one| *one == Reference::Local(address.clone()));
        if refers || resource.address.outer().as_ref() == Some(address) {
            dependents(environment, &resource.address, found);
        }
    }
}

/// Without what is there, which may have gone with what contains it; an empty map is none.
fn removed(definition: Definition, local: &str) -> Definition {
    if definition.0.pointer(&format!("/{local}")).is_none() {
        return definition;
    }
    let rest = definition.without(local);
    match local.rsplit_once('/') {
        Some((outer, _)) if rest.0.pointer(&format!("/{outer}")) == Some(&json!({})) => {
            if outer.contains('/') { rest.without(outer) } else { without_top(rest, outer) }
        }
        Some(_) | None => rest,
    }
}

fn without_top(mut definition: Definition, key: &str) -> Definition {
    if let Value::Object(members) = &mut definition.0 {
        members.remove(key);
    }
    definition
}

fn moved_path(path: &str, old: &str, new: &str) -> String {
    match path.strip_prefix(old) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{new}{rest}"),
        Some(_) | None => path.to_owned(),
    }
}

fn with_segment(text: &str, old: &str, new: &str) -> String {
    let renamed = text.split('/').map(|segment| if segment == old { new } else { segment });
    renamed.collect::<Vec<_>>().join("/")
}

/// A name of the same kind: another last character, of few, so that names are had again.
fn near(name: &str, draw: &mut Draw) -> String {
    let digit = char::from_digit(draw.below(3), 10).unwrap_or('0');
    let stem: String = name.chars().take(name.chars().count().saturating_sub(1)).collect();
    format!("{stem}{digit}")
}
