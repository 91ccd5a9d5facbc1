import { NativeSelect } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import {
  createSortedRowModel, rowSortingFeature, tableFeatures, useTable, type Row, type SortingState,
} from '@tanstack/react-table'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import { flushSync } from 'react-dom'
import { useTranslation } from 'react-i18next'
import { csv } from '@/format/csv'
import { Icon } from './Icon'
import classes from './Sheet.module.css'

/** One column: what it shows, what it says as text (export), and by what it sorts. */
export interface Column<T> {
  id: string
  title: string
  show: (row: T) => ReactNode
  text: (row: T) => string
  order?: (a: T, b: T) => number
  end?: boolean
  /** False for a column of buttons: it has nothing to export. */
  exported?: boolean
}

/** "unit" ascending, "-unit" descending, "" in the order given. */
export type Sort = string

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel() })

function useSorted<T extends object>(rows: T[], columns: Column<T>[], sort: Sort, rowKey: (row: T) => string) {
  const definitions = useMemo(
    () =>
      columns.map((column) => ({
        id: column.id,
        accessorFn: (row: T) => column.text(row),
        sortFn: (a: Row<typeof features, T>, b: Row<typeof features, T>) => column.order?.(a.original, b.original) ?? 0,
      })),
    [columns],
  )
  const sorting: SortingState = useMemo(
    () => (sort ? [{ id: sort.replace(/^-/, ''), desc: sort.startsWith('-') }] : []),
    [sort],
  )
  const table = useTable({ features, columns: definitions, data: rows, getRowId: rowKey, state: { sorting } })
  return table.getRowModel().rows.map((row) => row.original)
}

/** True while the page is being printed: then every row is there, not only those in view. */
function usePrinting(): boolean {
  const [printing, setPrinting] = useState(false)
  useEffect(() => {
    const before = () => flushSync(() => setPrinting(true))
    const after = () => setPrinting(false)
    addEventListener('beforeprint', before)
    addEventListener('afterprint', after)
    return () => {
      removeEventListener('beforeprint', before)
      removeEventListener('afterprint', after)
    }
  }, [])
  return printing
}

function useWindowRows(count: number, size: number) {
  const anchor = useRef<HTMLDivElement>(null)
  const [margin, setMargin] = useState(0)
  useLayoutEffect(() => {
    const measure = () => setMargin((anchor.current?.getBoundingClientRect().top ?? 0) + window.scrollY)
    measure()
    const watcher = new ResizeObserver(measure)
    watcher.observe(document.body)
    return () => watcher.disconnect()
  }, [])
  const virtualizer = useWindowVirtualizer({ count, estimateSize: () => size, overscan: 12, scrollMargin: margin })
  return { anchor, virtualizer, margin }
}

interface SheetProps<T> {
  rows: T[]
  columns: Column<T>[]
  rowKey: (row: T) => string
  caption: string
  sort: Sort
  onSort: (sort: Sort) => void
  tone?: (row: T) => string | undefined
  cardHead: (row: T) => ReactNode
  /** Columns that the card's head already shows. */
  cardOmits?: string[]
}

/** A table of any length: sorted, virtual, printable; on a phone its rows are cards. */
export function Sheet<T extends object>(props: SheetProps<T>) {
  const narrow = useMediaQuery('(max-width: 48em)', false, { getInitialValueInEffect: false })
  const printing = usePrinting()
  const sorted = useSorted(props.rows, props.columns, props.sort, props.rowKey)
  if (narrow && !printing) return <Cards {...props} sorted={sorted} />
  return <Rows {...props} sorted={sorted} printing={printing} />
}

type Sorted<T> = SheetProps<T> & { sorted: T[] }

function Rows<T extends object>({ sorted, columns, rowKey, caption, sort, onSort, tone, printing }: Sorted<T> & { printing: boolean }) {
  const { anchor, virtualizer, margin } = useWindowRows(sorted.length, 50)
  const items = virtualizer.getVirtualItems()
  const above = printing || !items[0] ? 0 : items[0].start - margin
  const last = items[items.length - 1]
  const below = printing || !last ? 0 : virtualizer.getTotalSize() + margin - last.end
  const shown = printing ? sorted.map((_, index) => index) : items.map((item) => item.index)
  return (
    <div className={classes.sheet} ref={anchor}>
      <table aria-rowcount={sorted.length + 1}>
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column) => <Heading key={column.id} column={column} sort={sort} onSort={onSort} />)}
          </tr>
        </thead>
        <tbody>
          {above > 0 && <Pad height={above} span={columns.length} />}
          {shown.map((index) => {
            const row = sorted[index]
            if (!row) return null
            return (
              <tr
                key={rowKey(row)} data-row={rowKey(row)} data-index={index} data-tone={tone?.(row)}
                aria-rowindex={index + 2} ref={virtualizer.measureElement}
              >
                {columns.map((column) => (
                  <td key={column.id} data-column={column.id} className={column.end ? classes.end : undefined}>
                    {column.show(row)}
                  </td>
                ))}
              </tr>
            )
          })}
          {below > 0 && <Pad height={below} span={columns.length} />}
        </tbody>
      </table>
    </div>
  )
}

function Pad({ height, span }: { height: number; span: number }) {
  return <tr className={classes.pad} aria-hidden="true"><td colSpan={span} style={{ height }} /></tr>
}

function Heading<T>({ column, sort, onSort }: { column: Column<T>; sort: Sort; onSort: (sort: Sort) => void }) {
  const { t } = useTranslation()
  const rising = sort === column.id
  const falling = sort === `-${column.id}`
  const direction = rising ? 'ascending' : falling ? 'descending' : 'none'
  const next = rising ? `-${column.id}` : falling ? '' : column.id
  const side = column.end ? classes.end : undefined
  if (!column.order) return <th scope="col" className={side}><span className={classes.plain}>{column.title}</span></th>
  return (
    <th scope="col" aria-sort={direction} className={side}>
      <button type="button" className={classes.head} title={t('table.sortBy', { column: column.title })} onClick={() => onSort(next)}>
        {column.title}
        <Icon name={rising ? 'up' : falling ? 'down' : 'sort'} size={14} />
      </button>
    </th>
  )
}

function Cards<T extends object>(props: Sorted<T>) {
  const { sorted, columns, rowKey, caption, tone, cardHead, cardOmits = [] } = props
  const { anchor, virtualizer, margin } = useWindowRows(sorted.length, 150)
  const items = virtualizer.getVirtualItems()
  const inside = columns.filter((column) => !cardOmits.includes(column.id))
  return (
    <>
      <CardSort {...props} />
      <div ref={anchor} style={{ height: virtualizer.getTotalSize(), position: 'relative' }}>
        <ul
          className={classes.cards} aria-label={caption}
          style={{ position: 'absolute', insetInline: 0, transform: `translateY(${(items[0]?.start ?? margin) - margin}px)` }}
        >
          {items.map(({ index }) => {
            const row = sorted[index]
            if (!row) return null
            return (
              <li key={rowKey(row)} data-index={index} ref={virtualizer.measureElement}>
                <div className={classes.card} data-row={rowKey(row)} data-tone={tone?.(row)}>
                  <div className={classes.cardHead}>{cardHead(row)}</div>
                  <dl className={classes.pairs}>
                    {inside.map((column) => (
                      <Pair key={column.id} id={column.id} title={column.title}>{column.show(row)}</Pair>
                    ))}
                  </dl>
                </div>
              </li>
            )
          })}
        </ul>
      </div>
    </>
  )
}

/** Cards have no head row to choose the order from. */
function CardSort<T>({ columns, sort, onSort }: Pick<Sorted<T>, 'columns' | 'sort' | 'onSort'>) {
  const { t } = useTranslation()
  const choices = columns.filter((column) => column.order).flatMap((column) => [
    { value: column.id, label: `${column.title} ↑` }, { value: `-${column.id}`, label: `${column.title} ↓` },
  ])
  return (
    <NativeSelect
      label={t('table.sort')} value={sort} onChange={(event) => onSort(event.currentTarget.value)}
      data={[{ value: '', label: t('units.attention') }, ...choices]}
    />
  )
}

function Pair({ id, title, children }: { id: string; title: string; children: ReactNode }) {
  return (
    <>
      <dt>{title}</dt>
      <dd data-column={id}>{children}</dd>
    </>
  )
}

/** The table exactly as shown: same columns, same rows, same order, same words. */
export function sheetCsv<T>(rows: T[], columns: Column<T>[], sort: Sort): string {
  const column = columns.find((one) => one.id === sort.replace(/^-/, ''))
  const turn = sort.startsWith('-') ? -1 : 1
  const order = column?.order
  const sorted = order ? rows.toSorted((a, b) => turn * order(a, b)) : rows
  const kept = columns.filter((one) => one.exported !== false)
  return csv(kept.map((one) => one.title), sorted.map((row) => kept.map((one) => one.text(row).replaceAll('\u00a0', ' '))))
}
