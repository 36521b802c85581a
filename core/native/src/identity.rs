//! Identity headers of Shadowsocks 2022 (SIP023): who sends, sealed under a key that all clients of a server share.

use crate::Outcome;
use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey,
};
use libc::EINVAL;
use zeroize::Zeroizing;

const KEY: usize = 32;
const BLOCK: usize = 16;

/// AES-256 of one block under BLAKE3's derive_key of identity key and salt.
fn identity(key: &[u8; KEY], salt: &[u8; KEY], block: &mut [u8; BLOCK], opens: bool) -> Option<()> {
    let mut material = Zeroizing::new([0u8; 2 * KEY]);
    material[..KEY].copy_from_slice(key);
    material[KEY..].copy_from_slice(salt);
    let subkey = Zeroizing::new(blake3::derive_key(
        "shadowsocks 2022 identity subkey",
        &*material,
    ));
    let unbound = UnboundCipherKey::new(&AES_256, &*subkey).ok()?;
    if opens {
        let key = DecryptingKey::ecb(unbound).ok()?;
        key.decrypt(block, DecryptionContext::None).ok()?;
    } else {
        EncryptingKey::ecb(unbound).ok()?.encrypt(block).ok()?;
    }
    Some(())
}

/// Seals (`opens` 0) or opens the block of 16 bytes in place; key and salt have 32.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_identity(
    key: *const u8,
    salt: *const u8,
    block: *mut u8,
    opens: u32,
) -> Outcome {
    let (key, salt, block) = unsafe { (&*key.cast(), &*salt.cast(), &mut *block.cast()) };
    identity(key, salt, block, opens != 0).map_or(-EINVAL, |()| 0)
}
