//! Values computed by other programs (Python's `hmac` and `cryptography`).

use aws_lc_rs::digest::{SHA256, digest};
use skerry_keys::{IDENTITY_MASTER_KEY, KeyError, MASTER_ENCRYPTION_KEY, ModuleKeys, open, seal};

use crate::world::{World, with_key};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn counting(length: u8) -> Vec<u8> {
    (0..length).collect()
}

#[test]
fn module_keys_are_derived_as_the_original_derives_them() {
    let world = World::new();
    let keys = with_key(&world, IDENTITY_MASTER_KEY, &counting(32));
    for (module, generation, primary, secondary) in [
        (
            "$edgeAgent",
            "636463636967581550",
            "bc16cc61b21a2fa40fa38124cba93b10b6f30b2fc1729d3ca8abd5eeb3c3489d",
            "bb5b9d5e8c18b10029025b4e3a8b83856eb4a17b17e3053dadc199302aac2287",
        ),
        (
            "SimulatedTemperatureSensor",
            "637000000000000001",
            "91401cf6d93d434f8645d1f7cefd6b655c3ddb999884d9423ce778b3189e293b",
            "edcb33642aa1249ccc931c753d3aebf0d9184126e37859c536db8d3dc6ff1fb6",
        ),
        (
            "mod:1",
            "g",
            "35875ed487e9f4b0599559c8ba3c66ef82a0f80a59229d3161dbad58f4f70222",
            "5dc0c47610bbb22d283fb64ed7582d72b8f68d7f86af6de3e3c6229c78238be1",
        ),
    ] {
        let module = module.parse().unwrap();
        let [first, second] = ModuleKeys::new(&*keys, &module, generation).export().unwrap();
        assert_eq!((hex(&*first), hex(&*second)), (primary.to_owned(), secondary.to_owned()), "{module}");
    }
    let agent = "$edgeAgent".parse().unwrap();
    let data = b"hub.example%2Fdevices%2Fd%2Fmodules%2F%24edgeAgent\n1700000000";
    let signature = ModuleKeys::new(&*keys, &agent, "636463636967581550").sign(data).unwrap();
    assert_eq!(hex(&signature), "01781e2effb02d8eecaa533e14d4d14258850d42088ab3eb5a8fb3a0ca1baa76");
}

/// Vector, ciphertext of `hello`, its tag, digest of the ciphertext of 200 bytes, its tag.
const SEALED: [(&[u8], &str, &str, &str, &str); 4] = [
    (
        b"0123456789ab",
        "5f743e1f39",
        "aa66e52f8f49e6ee35f45930192807c5",
        "da4ef0a5134802fbf9d0f5e5de193801cfdf013b7e2d8a7fcbeba7dfe6b410da",
        "69182f1af42d8a91fc2e7d154e383949",
    ),
    (
        b"0123456789abcdef",
        "25d335bda2",
        "489546981f767104be5fef6fd1b3dbf9",
        "e8a7a4a88767690ccafa00d1b8ab4463d66c7d3db7a0726e596f3acc973f5d10",
        "ec9b34fff00f2bbb0bd2301609d17571",
    ),
    // The form that the original's agent and hub send: 32 hexadecimal digits as text.
    (
        b"0d5a1f7e9b6c4d3e8f2a1b0c9d8e7f6a",
        "0f5beb4b81",
        "9e60bee943797368ba9a71b062408f16",
        "6cc7da53c407793a54efcb770475fcdaa4619061b4414f45b0a2754e2ab33205",
        "2201f3af6c42ce91d2159cce21069509",
    ),
    (
        &[
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
            27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50,
            51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74,
            75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98,
            99,
        ],
        "a8fdcfe4b0",
        "b5486fa397d04837e1a4c066bd7a8ccb",
        "1269a3a1d7d19aeacddd12ca26f5ce0472da9c8d2eedba67630e156c9b96399d",
        "fd4629e5a6791df8d7fe8f15c66fe492",
    ),
];

#[test]
fn texts_are_sealed_in_the_form_of_the_original_and_both_forms_open() {
    let world = World::new();
    let keys = with_key(&world, MASTER_ENCRYPTION_KEY, &counting(32));
    let (module, generation) = ("$edgeAgent", "636463636967581550");
    for (iv, short, short_tag, long, long_tag) in SEALED {
        let sealed = seal(&*keys, module, generation, iv, b"hello").unwrap();
        assert_eq!(hex(&sealed), format!("02{short}{short_tag}"), "{iv:?}");
        assert_eq!(open(&*keys, module, generation, iv, &sealed).unwrap().as_slice(), b"hello");
        let old = [&[1], &sealed[6..], &sealed[1..6]].concat();
        assert_eq!(open(&*keys, module, generation, iv, &old).unwrap().as_slice(), b"hello");

        let sealed = seal(&*keys, module, generation, iv, &counting(200)).unwrap();
        let (text, tag) = sealed[1..].split_at(200);
        assert_eq!((hex(digest(&SHA256, text).as_ref()), hex(tag)), (long.to_owned(), long_tag.to_owned()));
        assert_eq!(*open(&*keys, module, generation, iv, &sealed).unwrap(), counting(200));
    }
}

#[test]
fn what_does_not_open_says_no_more_than_that() {
    let world = World::new();
    let keys = with_key(&world, MASTER_ENCRYPTION_KEY, &counting(32));
    for iv in [b"0123456789ab".as_slice(), b"0123456789abcdef"] {
        let sealed = seal(&*keys, "a", "1", iv, b"secret").unwrap();
        for at in 1..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(matches!(open(&*keys, "a", "1", iv, &bent), Err(KeyError::Sealed)), "{at}");
        }
        for (module, generation) in [("b", "1"), ("a", "2")] {
            assert!(matches!(open(&*keys, module, generation, iv, &sealed), Err(KeyError::Sealed)));
        }
        for short in [&sealed[..0], &sealed[..1], &sealed[..16]] {
            assert!(matches!(open(&*keys, "a", "1", iv, short), Err(KeyError::Sealed)));
        }
    }
    let version = open(&*keys, "a", "1", b"x", &[3; 40]);
    assert!(matches!(version, Err(KeyError::Version { version: 3 })), "{version:?}");
    assert!(matches!(seal(&*keys, "a", "1", b"", b"x"), Err(KeyError::Vector)));
}
