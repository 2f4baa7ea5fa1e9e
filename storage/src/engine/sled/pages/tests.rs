//! Pages in bundles against a map in which each lies alone.

use std::collections::BTreeMap;

use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A database of which nothing stays, what is open, and what must be in it.
struct Site {
    db: sled::Db,
    parting: RwLock<()>,
    open: Option<Open>,
    model: Model,
    together: bool,
}

impl Site {
    fn new() -> Self {
        let db = sled::Config::new().temporary(true).open().unwrap();
        Self { db, parting: RwLock::new(()), open: None, model: Model::new(), together: true }
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        put(&self.db, &self.parting, &mut self.open, (key, value, self.together)).unwrap();
        change(&mut self.model, key, value);
    }

    fn write(&mut self) {
        write(&self.db, &self.parting, &mut self.open, self.together).unwrap();
    }

    fn seen(&self, range: &Range<Vec<u8>>, order: Order) -> Vec<Pair> {
        let mut scan = Scan::new(&self.db, range, order).unwrap();
        std::iter::from_fn(|| scan.next().unwrap()).collect()
    }

    fn check(&self) {
        let everything = Vec::new()..vec![u8::MAX];
        assert!(
            self.seen(&everything, Order::Ascending) == pairs(self.model.clone()),
            "{:?} is not {:?}",
            self.seen(&everything, Order::Ascending).iter().map(brief).collect::<Vec<_>>(),
            pairs(self.model.clone()).iter().map(brief).collect::<Vec<_>>()
        );
        for (key, value) in &self.model {
            assert_eq!(get_any(&self.db, key).as_ref(), Some(value));
        }
    }
}

fn brief((key, value): &Pair) -> String {
    format!("{:?} {}", &key[key.len().saturating_sub(12)..], value.len())
}

fn get_any(db: &sled::Db, key: &[u8]) -> Option<Vec<u8>> {
    if keys::split_page(key).is_some() {
        return get(db, key).unwrap();
    }
    db.get(key).unwrap().map(|value| value.to_vec())
}

fn change(model: &mut Model, key: &[u8], value: Option<&[u8]>) {
    match value {
        Some(value) => drop(model.insert(key.to_vec(), value.to_vec())),
        None => drop(model.remove(key)),
    }
}

fn pairs(model: Model) -> Vec<Pair> {
    model.into_iter().collect()
}

fn suffix(number: u64, chunk: u16) -> Vec<u8> {
    [&number.to_be_bytes()[..], &chunk.to_be_bytes()].concat()
}

fn page(user: u8, number: u64) -> Vec<u8> {
    [&[b'h', 0, user, 2, b'1', b'2', 1, user][..], &suffix(number, 0)].concat()
}

/// Text of so many bytes that says which it is.
fn value(number: u64, length: usize) -> Vec<u8> {
    format!("{{\"sequence\":{number},\"work\":").into_bytes().into_iter().cycle().take(length).collect()
}

fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut drawn = 0;
    move |below| {
        drawn += 1;
        crate::chunks::hash(&[seed, drawn].map(u64::to_le_bytes).concat()) % below
    }
}

#[test]
fn pages_that_come_together_lie_together() {
    let mut site = Site::new();
    for user in [1, 2] {
        (0..20).for_each(|number| site.put(&page(user, number), Some(&value(number, 400))));
    }
    site.write();
    site.check();
    let keys: Vec<_> = site.db.iter().keys().map(|key| key.unwrap().to_vec()).collect();
    let firsts = [0, 7, 14];
    let expected: Vec<_> = [1, 2].into_iter().flat_map(|user| firsts.map(|number| page(user, number))).collect();
    assert_eq!(keys, expected, "seven pages of 400 bytes to a bundle");
    // A second time together they are others'.
    site.put(&page(1, 20), Some(&value(20, 400)));
    site.write();
    site.check();
    assert_eq!(site.db.len(), 7);
    assert_eq!(&*site.db.get(page(1, 20)).unwrap().unwrap(), super::super::packed::pack(&value(20, 400)).unwrap());
}

#[test]
fn a_page_that_is_alone_lies_as_it_did_before_there_were_bundles() {
    let mut site = Site::new();
    site.put(&page(1, 5), Some(b"short"));
    site.write();
    assert_eq!(&*site.db.get(page(1, 5)).unwrap().unwrap(), b"short");
    // Even one that looks like a bundle.
    let strange = bundle::write([0; 10], &[([0; 10], value(1, 90)), ([1; 10], value(2, 90))], true);
    site.put(&page(1, 5), Some(&strange));
    site.write();
    site.check();
}

#[test]
fn whatever_is_put_removed_and_read_is_as_if_each_page_were_alone() {
    for seed in 0..40 {
        let mut site = Site::new();
        let mut draw = dice(seed);
        for _ in 0..draw(6) {
            // Something else between pages, which was there before them.
            let (mut key, longer) = (page(draw(3) as u8, draw(24)), draw(2) == 0);
            if longer {
                key.push(7)
            } else {
                key.truncate(16)
            }
            site.db.insert(&key[..], b"else").unwrap();
            site.model.insert(key, b"else".to_vec());
        }
        for run in 0..30 {
            // A replay at the start comes before it is known whether pages may lie together.
            site.together = draw(3) > 0;
            let mut changes = Model::new();
            let mut removed = BTreeMap::new();
            for _ in 0..draw(40) {
                let (user, number) = (draw(3) as u8, draw(20) + run * draw(3));
                let key = page(user, number);
                if draw(4) == 0 {
                    removed.insert(key, ());
                } else {
                    let length = if draw(20) == 0 { 4_096 } else { 10 + draw(900) as usize };
                    changes.insert(key, value(number + draw(9), length));
                }
            }
            removed.retain(|key, ()| !changes.contains_key(key));
            let mut run: Vec<(Vec<u8>, Option<Vec<u8>>)> =
                changes.into_iter().map(|(key, value)| (key, Some(value))).collect();
            run.extend(removed.into_keys().map(|key| (key, None)));
            run.sort();
            // Cut off somewhere: what was open is lost, and all of the run comes again.
            let before = site.model.clone();
            for (key, value) in &run[..draw(run.len() as u64 + 1) as usize] {
                site.put(key, value.as_deref());
            }
            site.open = None;
            for (key, value) in &before {
                let new = run.iter().find(|(changed, _)| changed == key).map(|(_, value)| value);
                let found = get_any(&site.db, key);
                assert!(found.as_ref() == Some(value) || new == Some(&found), "{key:?}");
            }
            run.iter().for_each(|(key, value)| site.put(key, value.as_deref()));
            site.write();
            site.check();
            for _ in 0..10 {
                let mut ends = [0, 1].map(|_| {
                    let mut end = page(draw(3) as u8, draw(24));
                    end.truncate(end.len() - draw(3) as usize * draw(6) as usize);
                    end.extend((0..draw(2)).map(|_| 0));
                    end
                });
                ends.sort();
                let [start, end] = ends;
                let expected: Vec<_> = site.model.range(start.clone()..end.clone()).collect();
                let expected: Vec<Pair> =
                    expected.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                let range = start..end;
                assert_eq!(site.seen(&range, Order::Ascending), expected);
                let backwards: Vec<Pair> = expected.into_iter().rev().collect();
                assert_eq!(site.seen(&range, Order::Descending), backwards);
            }
            let missing = page(1, 1_000 + seed);
            assert_eq!(get(&site.db, &missing), Ok(None));
        }
    }
}

#[test]
fn a_bundle_that_grows_is_parted_and_is_whole_wherever_that_is_cut_off() {
    let pages: Vec<u64> = (0..7).collect();
    for written in 0..=4 {
        let mut site = Site::new();
        pages.iter().for_each(|number| site.put(&page(1, *number), Some(&value(*number, 400))));
        site.put(&page(1, 100), Some(b"behind it"));
        site.write();
        pages.iter().for_each(|number| site.put(&page(1, *number), Some(&value(*number, 2_000))));
        let mut open = site.open.take().unwrap();
        let parts = parts(&mut open);
        assert_eq!(parts.len(), 7, "two of them would be too much for one");
        for (suffix, entries) in parts.into_iter().take(written) {
            site.db.insert(open.key(&suffix), bundle::write(suffix, &entries, true)).unwrap();
        }
        let now: Vec<Vec<u8>> = pages.iter().map(|number| get(&site.db, &page(1, *number)).unwrap().unwrap()).collect();
        for (number, now) in (0..).zip(&now) {
            let length = if number as usize >= pages.len() - written { 2_000 } else { 400 };
            assert_eq!(*now, value(number, length));
        }
        let all = site.seen(&(vec![b'h']..vec![b'i']), Order::Descending);
        assert_eq!(all.len(), 8);
        assert!(all.iter().rev().skip(7).chain([]).eq([&(page(1, 100), b"behind it".to_vec())]));
        // The journal brings all of it again.
        pages.iter().for_each(|number| site.put(&page(1, *number), Some(&value(*number, 2_000))));
        site.write();
        site.check();
    }
}

#[test]
fn what_a_page_hid_in_a_bundle_goes_with_it() {
    let mut site = Site::new();
    (0..7).for_each(|number| site.put(&page(1, number), Some(&value(number, 400))));
    site.write();
    // Parting the bundle ended with its last page, and that comes again and goes.
    site.db.insert(page(1, 6), &*value(6, 2_000)).unwrap();
    site.put(&page(1, 6), Some(&value(6, 2_000)));
    site.write();
    site.check();
    site.put(&page(1, 6), None);
    site.write();
    site.check();
    // So do all that a bundle without a page of its own has.
    let hidden = [4, 5, 6].map(|number| (page(1, number).split_off(8).try_into().unwrap(), value(number, 9)));
    site.db.insert(page(2, 3), bundle::write(page(2, 3).split_off(8).try_into().unwrap(), &hidden, true)).unwrap();
    site.db.insert(page(2, 4), b"four").unwrap();
    site.put(&page(2, 4), None);
    site.write();
    site.check();
}

#[test]
fn a_damaged_bundle_is_shown_as_it_is_and_costs_no_other() {
    let mut site = Site::new();
    (0..14).for_each(|number| site.put(&page(1, number), Some(&value(number, 400))));
    site.write();
    let mut stored = site.db.get(page(1, 0)).unwrap().unwrap().to_vec();
    stored[30] ^= 1;
    site.db.insert(page(1, 0), stored).unwrap();
    let seen = site.seen(&(vec![b'h']..vec![b'i']), Order::Ascending);
    assert!(seen.len() >= 8 && seen.len() <= 14, "{}", seen.len());
    assert_eq!(seen[seen.len() - 7..], pairs(site.model.clone())[7..]);
    assert!(seen.iter().all(|(key, _)| site.model.contains_key(key)));
}
