//! Values as columns, and back.
//!
//! Times are whole microseconds; what has a text form of its own is stored in it; enums of words
//! (`complete`, `pending`) as that word; everything larger as JSON.

use std::error::Error;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::StoreError;

/// A moment as microseconds since 1970.
pub(super) fn micros(moment: Timestamp) -> i64 {
    moment.as_microsecond()
}

/// The word of a variant without data, as serde writes it.
pub(super) fn word<T: Serialize>(variant: T) -> String {
    match serde_json::to_value(variant) {
        Ok(Value::String(word)) => word,
        Ok(_) | Err(_) => unreachable!("only enums of words are stored as words"),
    }
}

/// The JSON text of a value.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types have string keys only")
}

/// The columns of one row, read by name.
pub(super) struct Columns<'r> {
    table: &'static str,
    row: &'r AnyRow,
}

impl<'r> Columns<'r> {
    pub(super) fn of(table: &'static str, row: &'r AnyRow) -> Self {
        Self { table, row }
    }

    pub(super) fn number(&self, column: &'static str) -> Result<i64, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub(super) fn optional_number(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub(super) fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.moment(column, self.number(column)?)
    }

    pub(super) fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        let micros: Option<i64> = self.row.try_get(column)?;
        micros.map(|micros| self.moment(column, micros)).transpose()
    }

    /// A value that has a text form of its own.
    pub(super) fn parsed<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: FromStr,
        T::Err: Error + Send + Sync + 'static,
    {
        self.text(column)?.parse().map_err(|source| self.unreadable(column, source))
    }

    pub(super) fn optional_parsed<T>(&self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: FromStr,
        T::Err: Error + Send + Sync + 'static,
    {
        let text = self.optional_text(column)?;
        text.map(|text| text.parse().map_err(|source| self.unreadable(column, source))).transpose()
    }

    /// The variant of a word.
    pub(super) fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        self.variant(column, self.text(column)?)
    }

    pub(super) fn optional_word<T: DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        self.optional_text(column)?.map(|word| self.variant(column, word)).transpose()
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|source| self.unreadable(column, source))
    }

    /// The error that `column` holds what this version does not understand.
    pub(super) fn unreadable(
        &self,
        column: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> StoreError {
        StoreError::Unreadable { table: self.table, column, source: source.into() }
    }

    fn moment(&self, column: &'static str, micros: i64) -> Result<Timestamp, StoreError> {
        Timestamp::from_microsecond(micros).map_err(|source| self.unreadable(column, source))
    }

    fn variant<T: DeserializeOwned>(&self, column: &'static str, word: String) -> Result<T, StoreError> {
        serde_json::from_value(Value::String(word)).map_err(|source| self.unreadable(column, source))
    }
}
