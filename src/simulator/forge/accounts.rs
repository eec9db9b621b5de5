//! Who may do what in the repository, and by which token they are known.

use std::fmt::Write as _;

use fastrand::Rng;

/// What an account may do in the repository, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Nothing: the repository is private.
    None,
    /// May look and comment, and not push.
    Read,
    /// Push, and set statuses.
    Write,
    /// May do everything, also change rights and settings.
    Admin,
}

/// Whether a token still opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Validity {
    Valid,
    Revoked,
}

#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) id: u64,
    pub(super) login: String,
    pub(super) permission: Permission,
    token: String,
    validity: Validity,
}

/// How a credential was answered.
pub(super) enum Known<'a> {
    Account(&'a Account),
    Revoked,
    Unknown,
}

#[derive(Debug, Default)]
pub(super) struct Accounts(Vec<Account>);

impl Accounts {
    /// A new account, or a known one with another permission; its token.
    pub(super) fn add(&mut self, login: &str, permission: Permission, random: &mut Rng) -> String {
        if let Some(known) = self.0.iter_mut().find(|account| account.login == login) {
            known.permission = permission;
            return known.token.clone();
        }
        let token = format!("token_{}", hex(random, 20));
        let id = 1000 + self.0.len() as u64;
        let account = Account {
            id,
            login: login.to_owned(),
            permission,
            token: token.clone(),
            validity: Validity::Valid,
        };
        self.0.push(account);
        token
    }

    pub(super) fn renew(&mut self, login: &str, random: &mut Rng) -> Option<String> {
        let account = self.0.iter_mut().find(|account| account.login == login)?;
        account.token = format!("token_{}", hex(random, 20));
        account.validity = Validity::Valid;
        Some(account.token.clone())
    }

    pub(super) fn revoke_all(&mut self) {
        for account in &mut self.0 {
            account.validity = Validity::Revoked;
        }
    }

    pub(super) fn by_token(&self, token: &str) -> Known<'_> {
        match self.0.iter().find(|account| account.token == token) {
            Some(account) if account.validity == Validity::Valid => Known::Account(account),
            Some(_) => Known::Revoked,
            None => Known::Unknown,
        }
    }

    pub(super) fn by_login(&self, login: &str) -> Option<&Account> {
        self.0.iter().find(|account| account.login.eq_ignore_ascii_case(login))
    }

    pub(super) fn all(&self) -> &[Account] {
        &self.0
    }
}

/// `bytes` random bytes in hexadecimal.
pub(super) fn hex(random: &mut Rng, bytes: usize) -> String {
    (0..bytes).fold(String::with_capacity(2 * bytes), |mut text, _| {
        // Writing into a String cannot fail.
        write!(text, "{:02x}", random.u8(..)).ok();
        text
    })
}
