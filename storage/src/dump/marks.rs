//! Duplicate marks as lines of an export.

use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;
use serde::{Deserialize, Serialize};

use super::line::{Pairs, from_hexadecimal};
use crate::chunks::{Damage, VALUE_MAX};
use crate::keys::{self, Ids};
use crate::marks::{self, Entry, Mark, Page};
use crate::record;

/// A mark, with a key of its own or in a page.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Duplicate {
    tenant: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The id as it is kept, where that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_hex: Option<String>,
    pub(super) sequence: Sequence,
    accepted_at: UnixMillis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<u64>,
}

/// A page of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Duplicates {
    /// The number in its key.
    first: Sequence,
    marks: Vec<Duplicate>,
}

impl Duplicate {
    /// One with a key of its own.
    pub(super) fn read(tenant: &Address, id: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mark = Mark::read(value).ok_or_else(|| Damage::garbage("its value has another length"))?;
        Ok(Self::new(tenant.clone(), id, mark))
    }

    fn new(tenant: Address, id: &[u8], mark: Mark) -> Self {
        let text = String::from_utf8(id.to_vec()).ok();
        let id_hex = text.is_none().then(|| record::hexadecimal(id));
        let Mark { sequence, at: accepted_at, content } = mark;
        Self { tenant, id: text, id_hex, sequence, accepted_at, content }
    }

    fn into_parts(self) -> Result<(Address, Vec<u8>, Mark), String> {
        let id = match (self.id, self.id_hex) {
            (Some(id), None) => id.into_bytes(),
            (None, Some(digits)) => from_hexadecimal(&digits)?,
            (Some(_), Some(_)) | (None, None) => return Err("give `id` or `id_hex`, one of them".into()),
        };
        Ok((self.tenant, id, Mark { sequence: self.sequence, at: self.accepted_at, content: self.content }))
    }

    /// What lies in the engine for it, in a store that writes ids in this way.
    pub(super) fn into_pairs(self, ids: Option<Ids>) -> Result<Pairs, String> {
        let ids = ids.ok_or("a store of this format has marks in pages: take the header as it was exported")?;
        let (tenant, id, mark) = self.into_parts()?;
        Ok(vec![(ids.duplicate_as_kept(&tenant, &id), mark.write())])
    }
}

impl Duplicates {
    pub(super) fn read(first: Sequence, value: &[u8]) -> Result<Self, Damage> {
        let mut marks = Vec::new();
        for entry in marks::read(first, value)? {
            let Entry { tenant, id, mark } = entry?;
            let tenant = Address::parse(tenant).map_err(|_| Damage::garbage("a mark in it is of no number"))?;
            let id = keys::id_of(id).ok_or_else(|| Damage::garbage("an id in it makes no sense"))?;
            marks.push(Duplicate::new(tenant, &id, mark));
        }
        let read = Self { first, marks };
        match read.clone().into_page() {
            Ok(page) if page.value() == value => Ok(read),
            Ok(_) | Err(_) => Err(Damage::garbage("it is written in another way")),
        }
    }

    fn into_page(self) -> Result<Page, String> {
        let mut page = Page::new(self.first);
        for mark in self.marks {
            let (tenant, id, mark) = mark.into_parts()?;
            let id = Ids::Packed.kept_again(&id);
            page.push(&Entry { tenant: tenant.as_str(), id: &id, mark });
        }
        if page.is_empty() || page.length() > VALUE_MAX {
            return Err("it has no marks, or too many: take it as it was exported".into());
        }
        Ok(page)
    }

    pub(super) fn into_pairs(self, ids: Option<Ids>) -> Result<Pairs, String> {
        if ids.is_some() {
            return Err("a store of this format has no marks in pages: take the header as it was exported".into());
        }
        let key = keys::marks(self.first);
        Ok(vec![(key, self.into_page()?.value())])
    }

    /// The highest sequence in it.
    pub(super) fn last(&self) -> Sequence {
        self.marks.iter().map(|mark| mark.sequence).fold(self.first, Sequence::max)
    }
}
