//! Order of patches: cells of `merge` x `merge` patches one after the other, in Qwen2.5-VL window by window.

/// Orders of the patches of one tile.
#[derive(Debug, Default)]
pub(crate) struct PatchOrder {
    /// Patches in the order of the layers, each as its row and column.
    pub patches: Vec<[usize; 2]>,
    /// Number of patches of each window.
    pub windows: Vec<usize>,
    /// Place of each cell, row by row, in the order of the layers.
    pub cells: Vec<usize>,
}

impl PatchOrder {
    /// Orders a tile of `rows` x `columns` cells of `merge` x `merge` patches in windows of `side` x `side` cells. Windows
    /// at the right and lower edges are smaller. Windows, cells of a window and patches of a cell stand row by row. A
    /// `side` of None is one window.
    pub fn new(rows: usize, columns: usize, merge: usize, side: Option<usize>) -> Self {
        let side = side.unwrap_or(rows.max(columns)).max(1);
        let mut order = Self { cells: vec![0; rows * columns], ..Self::default() };
        for top in (0..rows).step_by(side) {
            for left in (0..columns).step_by(side) {
                let before = order.patches.len();
                for row in top..(top + side).min(rows) {
                    for column in left..(left + side).min(columns) {
                        order.cells[row * columns + column] = order.patches.len() / (merge * merge);
                        let patches = (0..merge * merge).map(|patch| [patch / merge, patch % merge]);
                        order.patches.extend(patches.map(|[y, x]| [row * merge + y, column * merge + x]));
                    }
                }
                order.windows.push(order.patches.len() - before);
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_of_a_window_stand_together() {
        let order = PatchOrder::new(2, 3, 1, Some(2));
        assert_eq!(order.patches, [[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [1, 2]]);
        assert_eq!((order.windows, order.cells), (vec![4, 2], vec![0, 1, 4, 2, 3, 5]));
        let one = PatchOrder::new(1, 2, 2, None);
        assert_eq!(one.patches, [[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [0, 3], [1, 2], [1, 3]]);
        assert_eq!((one.windows, one.cells), (vec![8], vec![0, 1]));
    }

    proptest! {
        /// Every patch stands once, and the place of a cell leads to its patches.
        #[test]
        fn orders_are_permutations(rows in 1_usize..9, columns in 1_usize..9, merge in 1_usize..3, side in 1_usize..5) {
            let order = PatchOrder::new(rows, columns, merge, Some(side));
            let mut seen = order.patches.clone();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), rows * columns * merge * merge);
            prop_assert_eq!(order.windows.iter().sum::<usize>(), order.patches.len());
            for (cell, place) in order.cells.iter().enumerate() {
                let first = order.patches[place * merge * merge];
                prop_assert_eq!(first, [cell / columns * merge, cell % columns * merge]);
            }
        }
    }
}
