//! VM sizes that Azure has retired, with what to use instead.
//!
//! Machine Learning still accepts a retired size in a request and then never gets a node, so the
//! definition's reader hears of it before anything is sent. Sizes whose retirement is announced for a
//! later year are not here: this module has no clock, and advice that nobody has to follow for years
//! is noise.
//!
//! Sources: "Retired Azure VM size series" (MicrosoftDocs/azure-compute-docs, 2026) and the retirement
//! announcements of the older GPU series (MicrosoftDocs/azure-docs, `*-series-retirement.md`).

use std::borrow::Cow;

use super::finding::Finding;

/// A size as Azure's documentation spells it (`Standard_NC24ads_A100_v4`), whatever its letters are in `text`: Azure
/// answers with capitals. Anything that is no size stays as it is.
#[must_use]
pub fn spelled(text: &str) -> Cow<'_, str> {
    let mut parts = text.split('_');
    let tier = match parts.next().map(str::to_ascii_lowercase).as_deref() {
        Some("standard") => "Standard",
        Some("basic") => "Basic",
        _ => return Cow::Borrowed(text),
    };
    let mut spelled = tier.to_owned();
    for (at, part) in parts.enumerate() {
        let digits = part.find(|c: char| c.is_ascii_digit()).unwrap_or(part.len());
        let is_version = at > 0 && part.to_ascii_lowercase().starts_with('v') && digits == 1;
        let (family, rest) = part.split_at(digits);
        spelled.push('_');
        if is_version {
            spelled.push_str(&part.to_ascii_lowercase());
        } else {
            spelled.push_str(&family.to_ascii_uppercase());
            spelled.push_str(&rest.to_ascii_lowercase());
        }
    }
    Cow::Owned(spelled)
}

/// A series that is gone.
#[derive(Debug)]
pub(crate) struct Retired {
    /// The series as Azure calls it.
    pub(crate) series: &'static str,
    /// The day on which it was retired.
    pub(crate) on: &'static str,
    /// A size of today that does the same work.
    pub(crate) successor: &'static str,
    /// Its sizes, in lower case, without `standard_` and without `_promo`.
    sizes: &'static [&'static str],
}

const A100: &str = "Standard_NC24ads_A100_v4 (or Standard_NC4as_T4_v3 for light work)";
const A10: &str = "Standard_NV6ads_A10_v5";

static RETIRED: [Retired; 8] = [
    Retired {
        series: "NCv3",
        on: "2025-09-30",
        successor: A100,
        sizes: &["nc6s_v3", "nc12s_v3", "nc24s_v3", "nc24rs_v3"],
    },
    Retired {
        series: "NCv2",
        on: "2023-09-06",
        successor: A100,
        sizes: &["nc6s_v2", "nc12s_v2", "nc24s_v2", "nc24rs_v2"],
    },
    Retired { series: "NC", on: "2023-09-06", successor: A100, sizes: &["nc6", "nc12", "nc24", "nc24r"] },
    Retired {
        series: "ND",
        on: "2023-09-06",
        successor: "Standard_NC24ads_A100_v4",
        sizes: &["nd6s", "nd12s", "nd24s", "nd24rs"],
    },
    Retired { series: "NV", on: "2023-09-06", successor: A10, sizes: &["nv6", "nv12", "nv24"] },
    Retired {
        series: "NVv3",
        on: "2026-09-30",
        successor: A10,
        sizes: &["nv12s_v3", "nv24s_v3", "nv48s_v3"],
    },
    Retired {
        series: "NVv4",
        on: "2026-09-30",
        successor: A10,
        sizes: &["nv4as_v4", "nv8as_v4", "nv16as_v4", "nv32as_v4"],
    },
    Retired {
        series: "A (first version)",
        on: "2024-08-31",
        successor: "Standard_D2as_v5",
        sizes: &["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10", "a11"],
    },
];

/// The series of a retired size; `None` for every other size, known or not.
pub(crate) fn retired(size: &str) -> Option<&'static Retired> {
    let folded = size.to_ascii_lowercase();
    let bare = folded.strip_prefix("standard_").or_else(|| folded.strip_prefix("basic_")).unwrap_or(&folded);
    let bare = bare.strip_suffix("_promo").unwrap_or(bare);
    RETIRED.iter().find(|series| series.sizes.contains(&bare))
}

/// The advice about the size that stands in `field`.
pub(crate) fn advice(field: &str, size: Option<&str>) -> Option<Finding> {
    let size = size?;
    let Retired { series, on, successor, .. } = retired(size)?;
    Some(Finding::warning(
        "retired-vm-size",
        field,
        &format!("{size} belongs to the {series} series, which Azure retired on {on}"),
        "a retired size can be written down but gets no machine (Retired Azure VM size series, learn.microsoft.com)",
        &format!("use {successor}; to keep the size anyway: `acknowledge: [retired-vm-size]`"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_size_is_known_in_any_casing() {
        for size in
            ["Standard_NC6s_v3", "STANDARD_NC6S_V3", "Standard_NC6_Promo", "Basic_A0", "Standard_NV12s_v3"]
        {
            assert!(retired(size).is_some(), "{size}");
        }
    }

    #[test]
    fn a_living_size_gets_no_advice() {
        for size in
            ["Standard_D4s_v3", "Standard_DS3_v2", "Standard_A2_v2", "Standard_NC24ads_A100_v4", "tomorrow"]
        {
            assert!(advice("vm_size", Some(size)).is_none(), "{size}");
        }
    }

    #[test]
    fn the_advice_names_a_successor_that_is_not_retired() {
        let advice = advice("vm_size", Some("Standard_NC6s_v3")).unwrap();
        assert_eq!((advice.code, advice.field.as_str()), ("retired-vm-size", "vm_size"));
        assert!(advice.message.contains("2025-09-30") && advice.remedy.contains("Standard_NC24ads_A100_v4"));
        for series in &RETIRED {
            let first = series.successor.split(' ').next().unwrap();
            assert!(retired(first).is_none(), "{first}");
        }
    }

    #[test]
    fn a_size_is_spelled_as_azure_documents_it() {
        for size in [
            "Standard_D4s_v3",
            "Standard_NC24ads_A100_v4",
            "Standard_NC4as_T4_v3",
            "Standard_DS3_v2",
            "Standard_E4-2ads_v5",
            "Standard_ND96isr_H100_v5",
            "Standard_F4s_v2",
            "Basic_A1",
        ] {
            assert_eq!(spelled(&size.to_ascii_uppercase()), size);
            assert_eq!(spelled(&size.to_ascii_lowercase()), size);
        }
        assert_eq!(spelled("D4S_V3"), "D4S_V3");
    }
}
