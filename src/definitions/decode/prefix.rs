//! Address prefixes, IPv4 and IPv6.

use std::net::IpAddr;

use crate::definitions::code::Code;
use crate::definitions::problem::{Problem, quoted};
use crate::definitions::source::Span;

/// An address prefix, written as Azure takes it: without host bits.
pub(super) fn check(text: &str, span: Span) -> Result<(), Problem> {
    let rule = "It is an address prefix such as `10.1.0.0/16`, whose bits after the prefix are zero.";
    let invalid = |remedy: String| {
        Problem::error(Code::InvalidValue, span, format!("{} is not an address prefix", quoted(text)))
            .rule(rule)
            .remedy(remedy)
    };
    let parsed = text.split_once('/').and_then(|(address, length)| {
        let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        Some((address.parse::<IpAddr>().ok()?, length.parse::<u32>().ok().filter(|_| digits)?))
    });
    let Some((address, length)) = parsed else {
        return Err(invalid("Write an address, a slash and the number of bits.".to_owned()));
    };
    let network = match address {
        IpAddr::V4(v4) if length <= 32 => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            IpAddr::from((u32::from(v4) & mask).to_be_bytes())
        }
        IpAddr::V6(v6) if length <= 128 => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            IpAddr::from((u128::from(v6) & mask).to_be_bytes())
        }
        IpAddr::V4(_) | IpAddr::V6(_) => {
            return Err(invalid("IPv4 addresses have 32 bits, IPv6 addresses 128.".to_owned()));
        }
    };
    if network == address { Ok(()) } else { Err(invalid(format!("Did you mean `{network}/{length}`?"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::source::FileId;

    #[test]
    fn a_prefix_has_no_host_bits() {
        let at = Span::start_of(FileId(0));
        for text in ["10.1.0.0/16", "0.0.0.0/0", "10.1.2.3/32", "fd00::/8", "::/0"] {
            assert!(check(text, at).is_ok(), "{text}");
        }
        for text in ["10.1.0.1/16", "10.1.0.0", "10.1.0.0/33", "10.1.0.0/", "10.1.0.0/+8", "fd00::1/8", "x/8"]
        {
            assert!(check(text, at).is_err(), "{text}");
        }
    }
}
