//! Pages of lists, as each forge numbers them.

use super::http::Call;
use super::state::State;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) size: usize,
}

/// One page and what is around it.
pub(super) struct Cut<T> {
    pub(super) items: Vec<T>,
    pub(super) total: usize,
    pub(super) page: Page,
}

impl Page {
    /// `?page=` and the parameter with the size, with the forge's default and maximum.
    pub(super) fn of(call: &Call, size: &str, default: usize, max: usize) -> Self {
        let number = |name: &str| call.query(name).and_then(|text| text.parse::<usize>().ok());
        let size = number(size).filter(|size| *size > 0).unwrap_or(default).min(max);
        Self { number: number("page").unwrap_or(1).max(1), size }
    }

    pub(super) fn cut<T>(self, items: Vec<T>) -> Cut<T> {
        let total = items.len();
        let skip = (self.number - 1).saturating_mul(self.size);
        Cut { items: items.into_iter().skip(skip).take(self.size).collect(), total, page: self }
    }
}

impl<T> Cut<T> {
    /// The number of the last page.
    pub(super) fn last(&self) -> usize {
        self.total.div_ceil(self.page.size).max(1)
    }

    pub(super) fn next(&self) -> Option<usize> {
        (self.page.number < self.last()).then(|| self.page.number + 1)
    }

    pub(super) fn previous(&self) -> Option<usize> {
        (self.page.number > 1).then(|| (self.page.number - 1).min(self.last()))
    }

    /// The value of the `Link` header (RFC 8288); `None` when everything is on this page.
    pub(super) fn link(&self, state: &State, call: &Call) -> Option<String> {
        let links = [
            ("prev", self.previous()),
            ("next", self.next()),
            ("last", self.next().map(|_| self.last())),
            ("first", self.previous().map(|_| 1)),
        ];
        let links: Vec<String> = links
            .into_iter()
            .filter_map(|(rel, number)| Some(format!("<{}>; rel=\"{rel}\"", page_url(state, call, number?))))
            .collect();
        (!links.is_empty()).then(|| links.join(", "))
    }
}

/// The URL of a call with another page.
pub(super) fn page_url(state: &State, call: &Call, number: usize) -> String {
    let query = call.uri.query().unwrap_or_default().split('&');
    let others = query.filter(|pair| !pair.is_empty() && !pair.starts_with("page="));
    let pairs: Vec<String> = others.map(escaped).chain([format!("page={number}")]).collect();
    format!("{}{}?{}", state.base_url, call.uri.path(), pairs.join("&"))
}

/// A pair of a query without percent signs that escape nothing.
fn escaped(pair: &str) -> String {
    let mut parts = pair.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let escapes = part.get(..2).is_some_and(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        text + if escapes { "%" } else { "%25" } + part
    })
}
