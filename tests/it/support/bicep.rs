//! The read shapes of `bicep-types`: a validator for the `types.json` format.
//!
//! The format knows no floats and no null: any number is an integer, and a null stands for an absent
//! optional property. `apiVersion` is a word of templates; no answer has it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::contract;
use super::shape::Difference;

const REQUIRED: u64 = 1;
const READ_ONLY: u64 = 2;
const WRITE_ONLY: u64 = 4;

/// All types of all files.
pub(crate) struct Types {
    files: Vec<Vec<Value>>,
    /// Folded ARM type: file, and the index of its body.
    bodies: BTreeMap<String, (usize, usize)>,
}

impl Types {
    pub(crate) fn load(folder: &Path) -> Self {
        let folder = folder.join("schemas/bicep-types");
        let (mut files, mut bodies) = (Vec::new(), BTreeMap::new());
        for name in contract::json_files(&folder) {
            let Value::Array(types) = contract::read(&folder.join(&name)) else { panic!("{name}: no array") };
            for entry in types.iter().filter(|entry| entry["$type"] == "ResourceType") {
                let arm_type = entry["name"].as_str().unwrap().split('@').next().unwrap();
                // The files are sorted by version: the newest one stays.
                bodies.insert(arm_type.to_ascii_lowercase(), (files.len(), index(&entry["body"])));
            }
            files.push(types);
        }
        Self { files, bodies }
    }

    pub(crate) fn knows(&self, arm_type: &str) -> bool {
        self.bodies.contains_key(&arm_type.to_ascii_lowercase())
    }

    /// What is wrong with a body that was read.
    pub(crate) fn check(&self, arm_type: &str, body: &Value) -> Vec<Difference> {
        let (file, index) = self.bodies[&arm_type.to_ascii_lowercase()];
        let mut check = Check { types: &self.files[file], found: Vec::new() };
        check.value(index, body, "");
        check.found
    }

    /// Whether clients cannot write what is at `pointer`, as far as the type says.
    pub(crate) fn read_only(&self, arm_type: &str, pointer: &str, body: &Value) -> bool {
        let Some(&(file, index)) = self.bodies.get(&arm_type.to_ascii_lowercase()) else { return false };
        let types = &self.files[file];
        let (mut at, mut value) = (index, body);
        for key in pointer.split('/').skip(1) {
            let key = key.replace("~1", "/").replace("~0", "~");
            let Some((next, flags)) = step(types, at, &key, value) else { return false };
            value = value.get(&key).or_else(|| value.get(key.parse::<usize>().ok()?)).unwrap_or(&Value::Null);
            if flags & READ_ONLY != 0 {
                return true;
            }
            at = next;
        }
        false
    }
}

fn index(reference: &Value) -> usize {
    reference["$ref"].as_str().unwrap().trim_start_matches("#/").parse().unwrap()
}

/// The type and the flags of a member of `value`.
fn step(types: &[Value], at: usize, key: &str, value: &Value) -> Option<(usize, u64)> {
    let entry = &types[at];
    let property = |properties: &Value| {
        let found = &properties[key];
        found.is_object().then(|| (index(&found["type"]), found["flags"].as_u64().unwrap_or(0)))
    };
    match entry["$type"].as_str().unwrap() {
        "ObjectType" => property(&entry["properties"]).or_else(|| {
            entry["additionalProperties"].is_object().then(|| (index(&entry["additionalProperties"]), 0))
        }),
        "DiscriminatedObjectType" => property(&entry["baseProperties"]).or_else(|| {
            let name = value[entry["discriminator"].as_str()?].as_str()?;
            step(types, index(entry["elements"].get(name)?), key, value)
        }),
        "ArrayType" => Some((index(&entry["itemType"]), 0)),
        _ => None,
    }
}

struct Check<'a> {
    types: &'a [Value],
    found: Vec<Difference>,
}

impl Check<'_> {
    fn report(&mut self, pointer: &str, what: impl Into<String>) {
        self.found.push(Difference { pointer: pointer.to_owned(), what: what.into() });
    }

    fn value(&mut self, at: usize, value: &Value, pointer: &str) {
        let entry = &self.types[at];
        match entry["$type"].as_str().unwrap() {
            "ObjectType" => {
                let more = entry.get("additionalProperties").map(index);
                self.object(&[&entry["properties"]], more, value, pointer);
            }
            "DiscriminatedObjectType" => self.discriminated(entry, value, pointer),
            "ArrayType" => self.array(index(&entry["itemType"]), value, pointer),
            "UnionType" => self.union(entry, value, pointer),
            "AnyType" => {}
            simple => {
                if let Some(what) = self.mismatch(simple, entry, value) {
                    self.report(pointer, what);
                }
            }
        }
    }

    fn array(&mut self, of: usize, value: &Value, pointer: &str) {
        let Some(items) = value.as_array() else {
            return self.report(pointer, format!("no array: {value}"));
        };
        for (number, item) in items.iter().enumerate() {
            self.value(of, item, &format!("{pointer}/{number}"));
        }
    }

    fn mismatch(&self, simple: &str, entry: &Value, value: &Value) -> Option<String> {
        let right = match simple {
            "StringType" => value.is_string(),
            "StringLiteralType" => *value == entry["value"],
            "IntegerType" => value.is_number(),
            "BooleanType" => value.is_boolean(),
            other => panic!("unknown bicep type {other}"),
        };
        if !right {
            let wanted = entry["value"].as_str().unwrap_or(simple);
            return Some(format!("{value} instead of {wanted}"));
        }
        let text = value.as_str()?;
        let pattern = entry["pattern"].as_str()?;
        let schema = serde_json::json!({ "pattern": pattern });
        let validator = jsonschema::validator_for(&schema).ok()?;
        (!validator.is_valid(value)).then(|| format!("{text:?} does not match {pattern}"))
    }

    fn union(&mut self, entry: &Value, value: &Value, pointer: &str) {
        let branches: Vec<usize> = entry["elements"].as_array().unwrap().iter().map(index).collect();
        let fits = |at: &usize| {
            let mut inner = Check { types: self.types, found: Vec::new() };
            inner.value(*at, value, pointer);
            inner.found.is_empty()
        };
        if !branches.iter().any(fits) {
            self.report(pointer, format!("{value} is not a member of the union"));
        }
    }

    fn discriminated(&mut self, entry: &Value, value: &Value, pointer: &str) {
        let discriminator = entry["discriminator"].as_str().unwrap();
        let chosen = value[discriminator].as_str().and_then(|name| entry["elements"].get(name));
        let Some(branch) = chosen else {
            self.report(pointer, format!("{discriminator} {} is no branch", value[discriminator]));
            return;
        };
        let branch = &self.types[index(branch)];
        let more = branch.get("additionalProperties").map(index);
        self.object(&[&entry["baseProperties"], &branch["properties"]], more, value, pointer);
    }

    fn object(&mut self, tables: &[&Value], more: Option<usize>, value: &Value, pointer: &str) {
        let Value::Object(own) = value else {
            self.report(pointer, format!("no object: {value}"));
            return;
        };
        let known: Map<String, Value> =
            tables.iter().filter_map(|table| table.as_object().cloned()).flatten().collect();
        for (key, value) in own {
            let below = format!("{pointer}/{key}");
            match (known.get(key), more) {
                (Some(property), _) => self.property(property, value, &below),
                (None, Some(more)) => self.value(more, value, &below),
                (None, None) => self.report(&below, "unknown property"),
            }
        }
        for (key, property) in &known {
            let flags = property["flags"].as_u64().unwrap_or(0);
            let wanted = flags & REQUIRED != 0 && flags & WRITE_ONLY == 0 && key != "apiVersion";
            if wanted && own.get(key).is_none_or(Value::is_null) {
                self.report(&format!("{pointer}/{key}"), "required, but missing");
            }
        }
    }

    fn property(&mut self, property: &Value, value: &Value, pointer: &str) {
        let flags = property["flags"].as_u64().unwrap_or(0);
        if flags & WRITE_ONLY != 0 {
            self.report(pointer, "write-only, but comes back");
        } else if !value.is_null() {
            self.value(index(&property["type"]), value, pointer);
        }
    }
}
