//! `$filter`: the conjunctions of comparisons and the two functions that our resource types document.

use super::ArmError;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    clauses: Vec<Clause>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Clause {
    Equals { field: String, value: String },
    Function { name: String, argument: String },
}

impl Filter {
    /// Reads a filter; an absent or empty one lets everything through.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, ArmError> {
        let text = text.unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let clauses: Option<Vec<Clause>> = conjuncts(text).into_iter().map(clause).collect();
        clauses.map(|clauses| Self { clauses }).ok_or_else(|| {
            let message = format!("The filter '{text}' in the query string is not valid or not supported.");
            ArmError::bad_request("InvalidFilterInQueryString", message)
        })
    }

    /// The value that `field` must have.
    pub(crate) fn equals(&self, field: &str) -> Option<&str> {
        self.clauses.iter().find_map(|clause| match clause {
            Clause::Equals { field: name, value } if name.eq_ignore_ascii_case(field) => Some(value.as_str()),
            Clause::Equals { .. } | Clause::Function { .. } => None,
        })
    }

    /// The argument of a function, when the filter calls it.
    pub(crate) fn function(&self, function: &str) -> Option<&str> {
        self.clauses.iter().find_map(|clause| match clause {
            Clause::Function { name, argument } if name.eq_ignore_ascii_case(function) => {
                Some(argument.as_str())
            }
            Clause::Equals { .. } | Clause::Function { .. } => None,
        })
    }
}

/// Splits at ` and ` outside quotes.
fn conjuncts(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == '\'' {
            quoted = !quoted;
        }
        let rest = text.get(at..at + 5).unwrap_or_default();
        if !quoted && at >= begin && rest.eq_ignore_ascii_case(" and ") {
            parts.push(&text[begin..at]);
            begin = at + 5;
        }
    }
    parts.push(text.get(begin..).unwrap_or_default());
    parts
}

fn clause(text: &str) -> Option<Clause> {
    let text = text.trim();
    if let Some((name, argument)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let argument = if argument.trim().is_empty() { String::new() } else { literal(argument)? };
        return Some(Clause::Function { name: name.trim().to_owned(), argument });
    }
    let (field, rest) = text.split_once(' ')?;
    let operator = rest.trim_start();
    let value = operator.get(..3).filter(|word| word.eq_ignore_ascii_case("eq ")).map(|_| &operator[3..])?;
    Some(Clause::Equals { field: field.to_owned(), value: literal(value)? })
}

fn literal(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inner.replace("''", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_with_quotes_and_the_word_and_are_read() {
        let filter = Filter::parse(Some("tagName eq 'a and b' and tagValue eq 'it''s'")).unwrap();
        assert_eq!(filter.equals("tagname"), Some("a and b"));
        assert_eq!(filter.equals("tagValue"), Some("it's"));
    }

    #[test]
    fn functions_are_read() {
        let filter = Filter::parse(Some("atScope() and assignedTo('x')")).unwrap();
        assert_eq!((filter.function("atscope"), filter.function("assignedTo")), (Some(""), Some("x")));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["name ne 'x'", "name eq x", "'", "eq", "é eq 'x' or b", "name eq '"] {
            assert!(Filter::parse(Some(text)).is_err(), "{text} was accepted");
        }
    }
}
