//! NumPy's archives of arrays, as far as the golden data uses them.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Arrays by name.
pub struct Npz(HashMap<String, Array>);

struct Array {
    descr: String,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Npz {
    /// Reads a file.
    ///
    /// # Panics
    /// If it is missing or no such file.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|error| panic!("golden data {}: {error}", path.display()));
        let mut archive = zip::ZipArchive::new(file).unwrap();
        let arrays = (0..archive.len()).map(|index| {
            let mut member = archive.by_index(index).unwrap();
            let name = String::from_utf8_lossy(member.name_raw())
                .trim_end_matches(".npy")
                .to_owned();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            (name, Array::parse(&bytes))
        });
        Self(arrays.collect())
    }

    /// The names of the arrays.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// An array's shape.
    #[must_use]
    pub fn shape(&self, name: &str) -> &[usize] {
        &self.get(name, None).shape
    }

    /// An array of float32, row-major.
    #[must_use]
    pub fn f32(&self, name: &str) -> Vec<f32> {
        let data = &self.get(name, Some("<f4")).data;
        data.as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    }

    /// An array of int32, row-major.
    #[must_use]
    pub fn i32(&self, name: &str) -> Vec<i32> {
        let data = &self.get(name, Some("<i4")).data;
        data.as_chunks()
            .0
            .iter()
            .map(|bytes| i32::from_le_bytes(*bytes))
            .collect()
    }

    /// An array of bytes, row-major.
    #[must_use]
    pub fn u8(&self, name: &str) -> &[u8] {
        &self.get(name, Some("|u1")).data
    }

    fn get(&self, name: &str, descr: Option<&str>) -> &Array {
        let array = self.0.get(name).unwrap_or_else(|| panic!("no array `{name}`"));
        assert!(
            descr.is_none_or(|descr| descr == array.descr),
            "`{name}` holds {}",
            array.descr
        );
        array
    }
}

impl Array {
    /// An .npy file of version 1: magic, header length, the header as a Python dictionary, the numbers.
    fn parse(bytes: &[u8]) -> Self {
        assert_eq!(bytes.get(..8), Some(&b"\x93NUMPY\x01\x00"[..]));
        let data = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = std::str::from_utf8(&bytes[10..data]).unwrap();
        let after = |key: &str| header.split_once(key).unwrap().1;
        let descr = after("'descr': '").split('\'').next().unwrap().to_owned();
        assert!(after("'fortran_order': ").starts_with("False"));
        let shape = after("'shape': (").split(')').next().unwrap();
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        Self {
            descr,
            shape: sizes.map(|size| size.parse().unwrap()).collect(),
            data: bytes[data..].to_vec(),
        }
    }
}
