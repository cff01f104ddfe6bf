//! The passphrase and the key behind it. Neither ever comes from the command line's words or from
//! the environment: from the terminal, or from a file descriptor that the caller opened.

use std::fs::File;
use std::io::{IsTerminal, Read};

use talea_protocol::key::SecretKey;
use talea_tools::keyfile::KeyFile;
use talea_tools::wallet::Wallet;
use zeroize::Zeroizing;

use crate::cli::Common;
use crate::failure::{Failure, Outcome};

/// Longest passphrase, in bytes.
const PASSPHRASE_BYTES_MAX: u64 = 1024;

/// Opens this wallet's key.
pub fn unlock(common: &Common, wallet: &Wallet) -> Outcome<SecretKey> {
    let file = KeyFile::read(&wallet.key())?;
    let passphrase = passphrase(common, "Passphrase: ")?;
    Ok(file.open(&passphrase)?)
}

/// Asks for a passphrase.
pub fn passphrase(common: &Common, prompt: &str) -> Outcome<Zeroizing<String>> {
    match common.passphrase_fd {
        Some(number) => from_descriptor(number),
        None => from_terminal(prompt),
    }
}

/// Asks for a new passphrase; on a terminal twice.
pub fn new_passphrase(common: &Common) -> Outcome<Zeroizing<String>> {
    let first = passphrase(common, "New passphrase: ")?;
    if common.passphrase_fd.is_none() && *first != *from_terminal("The same again: ")? {
        return Err(Failure::usage("the two passphrases differ", "try again"));
    }
    Ok(first)
}

/// Asks at the terminal, which does not show what is typed.
pub fn from_terminal(prompt: &str) -> Outcome<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "there is no terminal to ask at",
            "give it on a file descriptor, such as: talea … --passphrase-fd 3 3< <(secret-tool …)",
        ));
    }
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|error| Failure::usage(format!("the terminal: {error}"), "try again"))
}

fn from_descriptor(number: u32) -> Outcome<Zeroizing<String>> {
    let unreadable = |error: std::io::Error| {
        let next = "open it in the shell, such as: 3< file";
        Failure::usage(format!("file descriptor {number}: {error}"), next)
    };
    let mut text = Zeroizing::new(String::new());
    let file = File::open(format!("/dev/fd/{number}")).map_err(unreadable)?;
    file.take(PASSPHRASE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}
