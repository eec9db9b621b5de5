//! The part of the Kusto query language that Resource Graph answers here. Pure.

/// Longest query, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Why a query is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::providers) struct KqlError(pub(in crate::providers) String);

/// The table that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::providers) enum Table {
    Resources,
    /// `resourcecontainers`, of which only resource groups are here.
    Containers,
}

/// A column, in lower case; or a tag, in its own casing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::providers) enum Column {
    Field(String),
    Tag(String),
}

/// How a value is compared. Only the first regards casing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::providers) enum Comparison {
    Exact,
    Folded,
    Contains,
    StartsWith,
    EndsWith,
}

impl Comparison {
    /// Whether a column's text fits a value.
    pub(in crate::providers) fn fits(self, own: &str, value: &str) -> bool {
        let folded = || (own.to_ascii_lowercase(), value.to_ascii_lowercase());
        match self {
            Self::Exact => own == value,
            Self::Folded => own.eq_ignore_ascii_case(value),
            Self::Contains => {
                let (own, value) = folded();
                own.contains(&value)
            }
            Self::StartsWith => {
                let (own, value) = folded();
                own.starts_with(&value)
            }
            Self::EndsWith => {
                let (own, value) = folded();
                own.ends_with(&value)
            }
        }
    }
}

/// A comparison of a column with one value or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::providers) struct Condition {
    pub(in crate::providers) column: Column,
    pub(in crate::providers) values: Vec<String>,
    pub(in crate::providers) comparison: Comparison,
    pub(in crate::providers) negated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::providers) struct Query {
    pub(in crate::providers) table: Table,
    pub(in crate::providers) conditions: Vec<Condition>,
    /// Empty: all columns.
    pub(in crate::providers) columns: Vec<Column>,
    /// A column, and whether it descends.
    pub(in crate::providers) order: Option<(Column, bool)>,
    pub(in crate::providers) limit: Option<usize>,
}

/// The columns that the tables have.
const FIELDS: [&str; 16] = [
    "id",
    "name",
    "type",
    "tenantid",
    "kind",
    "location",
    "resourcegroup",
    "subscriptionid",
    "managedby",
    "sku",
    "plan",
    "properties",
    "tags",
    "identity",
    "zones",
    "extendedlocation",
];

/// The operators, longest first: how they compare, and whether they deny.
const OPERATORS: [(&str, Comparison, bool); 14] = [
    ("!startswith", Comparison::StartsWith, true),
    ("startswith", Comparison::StartsWith, false),
    ("!endswith", Comparison::EndsWith, true),
    ("!contains", Comparison::Contains, true),
    ("contains", Comparison::Contains, false),
    ("endswith", Comparison::EndsWith, false),
    ("!in~", Comparison::Folded, true),
    ("in~", Comparison::Folded, false),
    ("!in", Comparison::Exact, true),
    ("in", Comparison::Exact, false),
    ("=~", Comparison::Folded, false),
    ("!~", Comparison::Folded, true),
    ("==", Comparison::Exact, false),
    ("!=", Comparison::Exact, true),
];

fn refused<T>(message: impl Into<String>) -> Result<T, KqlError> {
    Err(KqlError(message.into()))
}

impl Query {
    pub(in crate::providers) fn parse(text: &str) -> Result<Self, KqlError> {
        if text.len() > MAX_BYTES {
            return refused(format!("the query has more than {MAX_BYTES} bytes"));
        }
        let mut parts = split(text, "|").into_iter();
        let table = match parts.next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "resources" => Table::Resources,
            "resourcecontainers" => Table::Containers,
            other => return refused(format!("the table '{other}' is not simulated")),
        };
        let mut query = Self { table, conditions: Vec::new(), columns: Vec::new(), order: None, limit: None };
        for part in parts {
            query.add(part.trim())?;
        }
        Ok(query)
    }

    fn add(&mut self, part: &str) -> Result<(), KqlError> {
        let (word, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
        match word.to_ascii_lowercase().as_str() {
            "where" => {
                for clause in split(rest, " and ") {
                    self.conditions.push(condition(clause.trim())?);
                }
            }
            "project" => {
                self.columns = rest.split(',').map(|name| column(name.trim())).collect::<Result<_, _>>()?;
            }
            "limit" | "take" => {
                let Ok(limit) = rest.trim().parse() else { return refused(format!("'{rest}' is no number")) };
                self.limit = Some(limit);
            }
            "order" | "sort" => self.order = Some(order(rest)?),
            other => return refused(format!("the operator '{other}' is not simulated")),
        }
        Ok(())
    }

    /// The value that a column must have in all rows, when the query says so.
    pub(in crate::providers) fn only(&self, field: &str) -> Option<&str> {
        let of_type = |condition: &&Condition| condition.column == Column::Field(field.to_owned());
        let equals = |condition: &&Condition| {
            !condition.negated && matches!(condition.comparison, Comparison::Exact | Comparison::Folded)
        };
        let mut narrow = self.conditions.iter().filter(of_type).filter(equals);
        narrow.find_map(|condition| match condition.values.as_slice() {
            [only] => Some(only.as_str()),
            _ => None,
        })
    }
}

fn order(rest: &str) -> Result<(Column, bool), KqlError> {
    let mut words = rest.split_whitespace();
    let (by, name, way) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next());
    if !by.eq_ignore_ascii_case("by") || words.next().is_some() {
        return refused(format!("'{rest}' does not name one column to order by"));
    }
    match way.map(str::to_ascii_lowercase).as_deref() {
        Some("asc") => Ok((column(name)?, false)),
        // Kusto descends when nothing is said.
        Some("desc") | None => Ok((column(name)?, true)),
        Some(other) => refused(format!("'{other}' is no direction")),
    }
}

fn column(name: &str) -> Result<Column, KqlError> {
    let bracketed = name.strip_prefix("tags[").and_then(|rest| rest.strip_suffix(']'));
    if let Some(tag) = bracketed.map(literal) {
        return tag.map(Column::Tag);
    }
    if let Some(tag) = name.strip_prefix("tags.") {
        return Ok(Column::Tag(tag.to_owned()));
    }
    let folded = name.to_ascii_lowercase();
    if FIELDS.contains(&folded.as_str()) {
        Ok(Column::Field(folded))
    } else {
        refused(format!("the column '{name}' is not known"))
    }
}

fn condition(clause: &str) -> Result<Condition, KqlError> {
    let ends = |c: char| c.is_whitespace() || "=!".contains(c);
    let bracket = clause.strip_prefix("tags[").and_then(|_| clause.find(']')).map(|at| at + 1);
    let at = bracket.or_else(|| clause.find(ends)).unwrap_or(clause.len());
    let (name, rest) = clause.split_at(at);
    let rest = rest.trim_start();
    let found = OPERATORS.iter().find(|(operator, ..)| {
        let begin = rest.get(..operator.len()).unwrap_or_default();
        begin.eq_ignore_ascii_case(operator)
    });
    let Some((operator, comparison, negated)) = found else {
        return refused(format!("the condition '{clause}' is not simulated"));
    };
    let value = rest[operator.len()..].trim();
    let values = if operator.trim_matches(['!', '~']) == "in" {
        let inner = value.strip_prefix('(').and_then(|value| value.strip_suffix(')'));
        let Some(inner) = inner else { return refused(format!("'{value}' is no list")) };
        split(inner, ",").into_iter().map(|value| literal(value.trim())).collect::<Result<_, _>>()?
    } else {
        vec![literal(value)?]
    };
    Ok(Condition { column: column(name.trim())?, values, comparison: *comparison, negated: *negated })
}

fn literal(text: &str) -> Result<String, KqlError> {
    for quote in ['\'', '"'] {
        let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.contains(quote)) {
            return Ok(inner.replace("\\\\", "\\"));
        }
    }
    refused(format!("'{text}' is no text in quotes"))
}

/// Splits outside quotes; a separator of letters matches in any casing.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut begin, mut quote) = (Vec::new(), 0, None);
    for (at, c) in text.char_indices() {
        match quote {
            Some(own) if own == c => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None => {
                let here = text.get(at..at + separator.len()).unwrap_or_default();
                if at >= begin && here.eq_ignore_ascii_case(separator) {
                    parts.push(&text[begin..at]);
                    begin = at + separator.len();
                }
            }
        }
    }
    parts.push(text.get(begin..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_form_is_read() {
        let text = "Resources | where type =~ 'Microsoft.KeyVault/vaults' and tags['team and co'] == \"a | b\"\n\
                    | where resourceGroup in~ ('one', 'two') | project id, tags.owner | order by name asc | limit 5";
        let query = Query::parse(text).unwrap();
        assert_eq!(query.only("type"), Some("Microsoft.KeyVault/vaults"));
        assert_eq!(query.conditions[1].column, Column::Tag("team and co".to_owned()));
        assert_eq!(query.conditions[1].values, ["a | b"]);
        assert_eq!(query.conditions[2].values, ["one", "two"]);
        assert_eq!(query.columns[1], Column::Tag("owner".to_owned()));
        assert_eq!((query.order.unwrap().1, query.limit), (false, Some(5)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "where type == 'x'",
            "Resources | summarize count()",
            "Resources | where name has 'x'",
            "Resources | where name contains x",
            "Resources | where é",
            "Resources | project a",
            "Resources | where type = 'x'",
            "Resources | limit x",
            "Resources | where type == x or 1",
            "Resources | where type in 'x'",
            "Resources | order name",
        ] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }
}
