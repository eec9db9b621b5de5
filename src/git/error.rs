//! What can go wrong between us and a repository, and what a person can do about it.
//!
//! Guarantees: every variant names the remote, folder or object it is about; no text contains user
//! information or a password. What a remote or a transport said becomes one of these in `failure.rs`.

use std::path::PathBuf;

use crate::plight::Plight;
use crate::wire::WireError;

use super::id::CommitId;
use super::listing::EntryKind;

/// Why a Git operation did not happen.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The remote's address or its credentials cannot be used as given.
    #[error("the remote {remote} cannot be used: {reason}")]
    Address {
        /// The address without user information.
        remote: String,
        /// What is wrong and what to write instead.
        reason: String,
    },
    /// The remote does not accept who we are.
    #[error(
        "{remote} refused our credentials: check repository.username and repository.password_file (or \
             BEAMLINE_GIT_PASSWORD; for ssh repository.identity_file) and that they may \
             read the repository, and write to it when statuses go to Git notes. A replaced password file is \
             read at the next try; a credential that systemd has copied, by a restart"
    )]
    Authentication {
        /// The remote's address as configured, without a password.
        remote: String,
    },
    /// There is no password for the remote now.
    #[error("there are no credentials for {remote} now: {reason}")]
    NoPassword {
        /// The remote's address as configured, without a password.
        remote: String,
        /// Why, and what to do, in the words of who was asked.
        reason: String,
    },
    /// The name of the remote's host is unknown.
    #[error("the host of {remote} was not found: check its spelling and this machine's name resolution")]
    HostNotFound {
        /// The remote's address as configured, without a password.
        remote: String,
    },
    /// The host is known but does not answer.
    #[error("{remote} cannot be reached: {detail}; check network, firewall and proxy")]
    Unreachable {
        /// The remote's address as configured, without a password.
        remote: String,
        /// What the system said.
        detail: String,
    },
    /// There is no repository at the address, or we may not know that there is one.
    #[error("there is no repository at {remote}, or these credentials may not see it: check both")]
    RepositoryNotFound {
        /// The remote's address as configured, without a password.
        remote: String,
    },
    /// Something answers there, but it does not speak Git.
    #[error(
        "{remote} does not answer as a Git server ({detail}), as a proxy or a maintenance page does: it is tried \
             again; if that goes on, check that the URL is the clone URL"
    )]
    NotGit {
        /// The remote's address as configured, without a password.
        remote: String,
        /// What came instead, cut to what fits a line.
        detail: String,
    },
    /// The repository has a new address. Redirects are not followed, because credentials would go along.
    #[error("{remote} moved to {location}: change the remote's URL")]
    Moved {
        /// The remote's address as configured, without a password.
        remote: String,
        /// The new address, without user information.
        location: String,
    },
    /// The answer points elsewhere, which may pass: to a page to sign in, or to one that says sorry.
    #[error(
        "{remote} answered with {detail}: it is tried again; if that goes on, check the remote's URL, and \
             what stands before the server"
    )]
    Redirected {
        /// The remote's address as configured, without a password.
        remote: String,
        /// Where it points, without query.
        detail: String,
    },
    /// The server's certificate is not trusted.
    #[error(
        "the certificate of {remote} is not trusted: add its authority's certificate to the file of the setting network.ca_file"
    )]
    Certificate {
        /// The remote's address as configured, without a password.
        remote: String,
        /// Which part of the handshake failed, and why.
        #[source]
        source: WireError,
    },
    /// The SSH server's key is not the one we know.
    #[error(
        "the host key of {remote} is unknown or has changed: check it, then put it into the \
             known_hosts file (ssh-keyscan)"
    )]
    HostKey {
        /// The remote's address as configured, without a password.
        remote: String,
    },
    /// The connection broke or the server failed. Trying again can help.
    #[error("the exchange with {remote} broke off: {detail}; it is safe to try again")]
    Broken {
        /// The remote's address as configured, without a password.
        remote: String,
        /// What was said last.
        detail: String,
        /// What HTTP said, where it was HTTP.
        #[source]
        source: Option<WireError>,
    },
    /// The remote was silent for too long, or took too long in all.
    #[error("{remote} was too slow: {detail}; try again, or look at the server")]
    TimedOut {
        /// The remote's address as configured, without a password.
        remote: String,
        /// Which limit was passed.
        detail: String,
    },
    /// The OpenSSH client could not be run.
    #[error(
        "the ssh client could not be started for {remote}: install OpenSSH's client, so that `ssh` is found in the PATH of the service"
    )]
    SshProgram {
        /// The remote's address as configured, without a password.
        remote: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something else stands where the folder of the definitions should be.
    #[error(
        "{path} {kind}, and {root} must be a folder of definitions: bring it back. Nothing counts as removed"
    )]
    NoFolder {
        /// What stands there.
        path: String,
        /// What it is.
        kind: EntryKind,
        /// The folder of the definitions.
        root: String,
    },
    /// The folder of the definitions is not there, and one whose name differs in casing is.
    #[error("{path} is not read, only {root}: {remedy}")]
    OtherCasing {
        /// The folder that is there.
        path: String,
        /// The folder of the definitions.
        root: String,
        /// The command that renames it.
        remedy: String,
    },
    /// The remote does not accept the change of a reference.
    #[error(
        "{remote} rejected the change of {reference}: {reason}; allow it there, or choose another \
             outlet for statuses"
    )]
    Rejected {
        /// The remote's address as configured, without a password.
        remote: String,
        /// The full name of the reference.
        reference: String,
        /// What the remote said.
        reason: String,
    },
    /// Others kept changing a reference while we tried to.
    #[error(
        "{reference} of {remote} kept changing, or was locked, during {tries} tries ({said}): it is tried again; a \
             .lock file that stays there although no Git runs is to be deleted there"
    )]
    Contended {
        /// The remote's address as configured, without a password.
        remote: String,
        /// The full name of the reference.
        reference: String,
        /// How often it was tried.
        tries: u32,
        /// What was said the last time.
        said: String,
    },
    /// No transport was registered in this process.
    #[error("there is no way to reach {remote}: register_transports was not called in this process")]
    NoTransport {
        /// The remote's address as configured, without a password.
        remote: String,
    },
    /// The folder of a mirror has something else in it.
    #[error("{} is not a mirror made by beamline ({reason}): choose another folder, or empty it", dir.display())]
    NotAMirror {
        /// The folder as it was given on the command line or in the settings.
        dir: PathBuf,
        /// What was found there, as the end of a sentence.
        reason: String,
    },
    /// There is no Git repository at a local path.
    #[error("there is no Git repository at {}: run this inside a clone, or give the path of one", path.display())]
    NotARepository {
        /// The file, as it was given or as it was found below the given folder.
        path: PathBuf,
    },
    /// A local repository belongs to somebody else, whom Git does not trust.
    #[error("{} belongs to another user: if you trust it, run git config --global --add \
             safe.directory {}", path.display(), path.display())]
    NotOwned {
        /// The file, as it was given or as it was found below the given folder.
        path: PathBuf,
    },
    /// The repository is in a format that libgit2 does not read (reftable, SHA-256).
    #[error("{} is in a format that cannot be read here ({detail}): convert it with git refs migrate \
             --ref-format=files, or use a SHA-1 repository", path.display())]
    Unsupported {
        /// The file, as it was given or as it was found below the given folder.
        path: PathBuf,
        /// What libgit2 said, in its own words.
        detail: String,
    },
    /// Another process is writing to the repository.
    #[error("{} is locked by another process: try again; if none is running, delete the .lock file \
             that the cause names", dir.display())]
    Locked {
        /// The folder of the repository, absolute where it was given so.
        dir: PathBuf,
        /// What libgit2 said, in its own words.
        #[source]
        source: git2::Error,
    },
    /// A commit is not in the repository.
    #[error("commit {id} is not in {}: fetch again; it may have been removed by a forced push", dir.display())]
    UnknownCommit {
        /// The commit that was asked for.
        id: CommitId,
        /// The folder of the repository, absolute where it was given so.
        dir: PathBuf,
    },
    /// A revision cannot be resolved.
    #[error("{revision:?} names no commit in {}: give a branch, a tag or a commit id", dir.display())]
    UnknownRevision {
        /// What was asked for.
        revision: String,
        /// The folder of the repository, absolute where it was given so.
        dir: PathBuf,
    },
    /// The repository cannot be read or written.
    #[error("{} cannot be read or written as a Git repository: check its disk and permissions; if it is \
             a mirror, delete the folder, it is fetched again", dir.display())]
    Repository {
        /// The folder of the repository, absolute where it was given so.
        dir: PathBuf,
        /// What libgit2 said, in its own words.
        #[source]
        source: git2::Error,
    },
    /// An object is missing in a repository on this machine, or is not what its id says.
    #[error("{} is damaged: an object is missing or broken ({}). If it is a mirror, delete the folder: \
             it is fetched again; else run git fsck there", dir.display(), source.message())]
    Damaged {
        /// The folder of the repository, absolute where it was given so.
        dir: PathBuf,
        /// What libgit2 said, in its own words.
        #[source]
        source: git2::Error,
    },
    /// An object is as it was sent, and no Git program would make it.
    #[error("{what} is malformed, as git fsck says too: rewrite the commit, and push it again")]
    Malformed {
        /// The object's kind and id, as a phrase.
        what: String,
        /// The folder of the repository, absolute where it was given so.
        dir: PathBuf,
    },
    /// The remote does not have all of what it offers, or has it broken.
    #[error(
        "{remote} is damaged ({detail}): run git fsck there, and restore the objects from a clone that \
             has them; it is then looked at again by itself"
    )]
    RemoteDamaged {
        /// The remote's address as configured, without a password.
        remote: String,
        /// What is missing or broken.
        detail: String,
    },
    /// A folder of a mirror cannot be made, read or changed.
    #[error("{} cannot be created, read or changed: {}", dir.display(), Plight::of(source).remedy(dir))]
    Create {
        /// The folder as it was given on the command line or in the settings.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something is larger than what is accepted.
    #[error("{what} is over the limit of {limit}: make it smaller, or split it")]
    Limit {
        /// What was being read.
        what: String,
        /// The limit with its unit.
        limit: String,
    },
    /// A status line does not begin with its context.
    #[error("the note line {line:?} does not begin with its context {context:?} and a colon")]
    NoteLine {
        /// The context of the status that did not fit.
        context: String,
        /// The line of the note, as it was read.
        line: String,
    },
}

/// Whether an error can pass without a person's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// It may: a connection, a server, a disk, a lock.
    Passing,
    /// It is what a commit is: looking at it again says the same.
    OfTheCommit,
}

impl GitError {
    /// Whether the error is one of the commit that was being read, so that it stays until another one is
    /// pushed.
    #[must_use]
    pub fn lasting(&self) -> Lasting {
        match self {
            Self::Limit { .. }
            | Self::Malformed { .. }
            | Self::RemoteDamaged { .. }
            | Self::NoFolder { .. }
            | Self::OtherCasing { .. } => Lasting::OfTheCommit,
            // A mirror is made anew from its remote, which then tells whose damage it is.
            Self::Damaged { .. }
            | Self::Address { .. }
            | Self::Authentication { .. }
            | Self::NoPassword { .. }
            | Self::HostNotFound { .. }
            | Self::Unreachable { .. }
            | Self::RepositoryNotFound { .. }
            | Self::NotGit { .. }
            | Self::Moved { .. }
            | Self::Redirected { .. }
            | Self::Certificate { .. }
            | Self::HostKey { .. }
            | Self::Broken { .. }
            | Self::TimedOut { .. }
            | Self::SshProgram { .. }
            | Self::Rejected { .. }
            | Self::Contended { .. }
            | Self::NoTransport { .. }
            | Self::NotAMirror { .. }
            | Self::NotARepository { .. }
            | Self::NotOwned { .. }
            | Self::Unsupported { .. }
            | Self::Locked { .. }
            | Self::UnknownCommit { .. }
            | Self::UnknownRevision { .. }
            | Self::Repository { .. }
            | Self::Create { .. }
            | Self::NoteLine { .. } => Lasting::Passing,
        }
    }
}

impl GitError {
    /// Whether the remote, or what we are given to reach it with, refuses us until somebody acts. What may
    /// pass by itself, and what concerns one commit only, does not.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Address { .. }
            | Self::Authentication { .. }
            | Self::NoPassword { .. }
            | Self::RepositoryNotFound { .. }
            | Self::Moved { .. }
            | Self::Certificate { .. }
            | Self::HostKey { .. }
            | Self::SshProgram { .. }
            | Self::NoTransport { .. }
            | Self::NotARepository { .. }
            | Self::NotOwned { .. }
            | Self::Unsupported { .. } => true,
            Self::HostNotFound { .. }
            | Self::Unreachable { .. }
            | Self::NotGit { .. }
            | Self::Redirected { .. }
            | Self::Broken { .. }
            | Self::TimedOut { .. }
            | Self::Rejected { .. }
            | Self::Contended { .. }
            | Self::NotAMirror { .. }
            | Self::Locked { .. }
            | Self::UnknownCommit { .. }
            | Self::UnknownRevision { .. }
            | Self::Repository { .. }
            | Self::Damaged { .. }
            | Self::Malformed { .. }
            | Self::RemoteDamaged { .. }
            | Self::Create { .. }
            | Self::Limit { .. }
            | Self::NoFolder { .. }
            | Self::OtherCasing { .. }
            | Self::NoteLine { .. } => false,
        }
    }
}
