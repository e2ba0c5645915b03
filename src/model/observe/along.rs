//! Going along sorted rows instead of looking each of them up: volumes and sessions are asked for in ascending order.

/// Rows sorted by a key. Asked for ascending keys, it passes each row once.
pub(super) struct SortedCursor<'a, T, K> {
    rest: &'a [T],
    key: fn(&T) -> K,
}

impl<'a, T, K: Ord + Copy> SortedCursor<'a, T, K> {
    pub fn new(sorted: &'a [T], key: fn(&T) -> K) -> Self {
        Self { rest: sorted, key }
    }

    /// All rows with this key. Asked again for the same key, or for one that is behind: none.
    pub fn at(&mut self, wanted: K) -> &'a [T] {
        let passed = self.rest.iter().take_while(|row| (self.key)(row) < wanted).count();
        let found = self.rest[passed..].iter().take_while(|row| (self.key)(row) == wanted).count();
        let (rows, rest) = self.rest[passed..].split_at(found);
        self.rest = rest;
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn going_along_finds_what_looking_up_finds(mut rows: Vec<u8>, mut wanted: Vec<u8>) {
            rows.sort_unstable();
            wanted.sort_unstable();
            wanted.dedup();
            let mut along = SortedCursor::new(&rows, |row| *row);
            for key in wanted {
                let expected: Vec<u8> = rows.iter().copied().filter(|row| *row == key).collect();
                prop_assert_eq!(along.at(key), &expected[..]);
                prop_assert!(along.at(key).is_empty());
            }
        }
    }
}
