//! The JSON Schema (2020-12) of a definition file, for editors, made from the same tables that decode
//! it.
//!
//! Nothing is `required`: any part of a definition may stand in a defaults file, and defaults files
//! have the same schema. What is missing in the end is said by `beamline validate`.

use serde_json::{Map, Value, json};

use super::acknowledge;
use super::decode::{FORMAT_VERSION, HEADER_KEYS, Holds, common_keys, nested_kinds};
use crate::resources::address::MAX_NAME_BYTES;
use crate::resources::{Field, Kind, Shape, WhenAbsent, of};

/// The name of the schema, relative to the definitions it stands beside.
const ID: &str = "beamline.schema.json";

/// The pattern of short names and of environments' names.
const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

/// The schema.
#[must_use]
pub fn schema() -> Value {
    let mut properties = Map::new();
    for (key, doc) in HEADER_KEYS {
        properties.insert((*key).to_owned(), described(header(key), doc));
    }
    for kind in Kind::ALL.into_iter().filter(|kind| kind.written_inside().is_none()) {
        let body = reference(kind);
        let value = if kind.is_single() { body } else { named(kind) };
        properties.insert(kind.key().to_owned(), value);
    }
    let definitions: Map<String, Value> =
        Kind::ALL.into_iter().map(|kind| (kind.key().to_owned(), resource(kind))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "beamline definition",
        "description": "An environment, or defaults that environments inherit. Nothing is required here, because every part may be inherited.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "$defs": definitions,
    })
}

fn header(key: &str) -> Value {
    match key {
        "beamline" => json!({ "const": FORMAT_VERSION }),
        "name" | "renamed_from" => {
            json!({ "type": "string", "pattern": NAME_PATTERN, "maxLength": MAX_NAME_BYTES })
        }
        "tags" => tags(),
        "ignore_tags" => json!({ "type": "array", "items": { "type": "string" } }),
        "acknowledge" => codes(),
        _ => json!({ "type": "string" }),
    }
}

fn reference(kind: Kind) -> Value {
    json!({ "$ref": format!("#/$defs/{kind}") })
}

fn named(kind: Kind) -> Value {
    json!({
        "description": of(kind).spec().doc,
        "type": ["object", "null"],
        "propertyNames": { "pattern": NAME_PATTERN, "maxLength": MAX_NAME_BYTES },
        "additionalProperties": reference(kind),
    })
}

fn resource(kind: Kind) -> Value {
    let spec = of(kind).spec();
    let mut properties = fields(spec.fields);
    for common in common_keys(kind) {
        let value = match common.holds {
            Holds::Text => json!({ "type": "string" }),
            Holds::Flag => json!({ "type": "boolean", "default": false }),
            Holds::Words(words) => json!({ "enum": words, "default": words.first() }),
            Holds::Tags => tags(),
            Holds::Codes => codes(),
        };
        properties.insert(common.name.to_owned(), described(value, common.doc));
    }
    for inner in nested_kinds(kind) {
        properties.insert(inner.key().to_owned(), named(inner));
    }
    json!({
        "description": spec.doc,
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": properties,
    })
}

fn fields(table: &[Field]) -> Map<String, Value> {
    table.iter().map(|field| (field.name.to_owned(), field_schema(field))).collect()
}

fn field_schema(field: &Field) -> Value {
    let mut schema = shape(field.shape);
    let doc = match field.absent {
        WhenAbsent::ServiceDefault => format!("{} Left out, Azure decides.", field.doc),
        WhenAbsent::Refused => format!("{} Required.", field.doc),
        WhenAbsent::Default(literal) => {
            insert(&mut schema, "default", literal.to_value());
            field.doc.to_owned()
        }
        WhenAbsent::Nothing => field.doc.to_owned(),
    };
    described(schema, &doc)
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Text { max_chars, .. } => json!({ "type": "string", "maxLength": max_chars }),
        Shape::Guid => json!({ "type": "string", "format": "uuid" }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Word { example } => json!({ "type": "string", "minLength": 1, "examples": [example] }),
        Shape::Duration { .. } => json!({ "type": "string", "pattern": "^P", "examples": ["PT15M", "PT1H"] }),
        Shape::Set { max } => {
            json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true, "maxItems": max })
        }
        Shape::Prefixes => {
            json!({ "type": "array", "items": { "type": "string", "pattern": "/[0-9]{1,3}$" }, "uniqueItems": true })
        }
        Shape::Reference(_) | Shape::Principal(_) => json!({ "type": "string", "minLength": 1 }),
        Shape::Object(table) => {
            json!({ "type": ["object", "null"], "additionalProperties": false, "properties": fields(table) })
        }
        Shape::Objects { fields: table, max } => {
            let item =
                json!({ "type": "object", "additionalProperties": false, "properties": fields(table) });
            json!({ "type": "array", "items": item, "maxItems": max })
        }
    }
}

fn tags() -> Value {
    json!({ "type": ["object", "null"], "additionalProperties": { "type": "string", "maxLength": 256 } })
}

fn codes() -> Value {
    json!({ "type": "array", "items": { "enum": acknowledge::codes().collect::<Vec<_>>() } })
}

fn described(mut schema: Value, doc: &str) -> Value {
    insert(&mut schema, "description", Value::from(doc));
    schema
}

fn insert(schema: &mut Value, key: &str, value: Value) {
    if let Some(object) = schema.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}
