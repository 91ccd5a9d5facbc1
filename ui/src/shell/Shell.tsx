import { ActionIcon, Menu, NativeSelect, SegmentedControl, useMantineColorScheme, type MantineColorScheme } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useNavigate, useParams, useRouterState, useSearch } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { api } from '@/api/client'
import { servicePointQuery, sessionQuery, sitesQuery } from '@/api/queries'
import { markSignedOut } from '@/api/session'
import { useReadingStream } from '@/api/stream'
import { ShapeMark } from '@/components/Flag'
import { Icon, Mark, type IconName } from '@/components/Icon'
import { PlaceProvider, useSitePlace } from '@/format/site'
import classes from './Shell.module.css'

const pages: { to: '/sites/$site/units' | '/sites/$site/meters' | '/sites/$site/reconciliation'; name: 'units' | 'meters' | 'reconciliation'; icon: IconName }[] = [
  { to: '/sites/$site/units', name: 'units', icon: 'units' },
  { to: '/sites/$site/meters', name: 'meters', icon: 'meters' },
  { to: '/sites/$site/reconciliation', name: 'reconciliation', icon: 'reconciliation' },
]

/** The site in the address, or the site of the service point in the address, or the first one. */
function useSiteId(): string | undefined {
  const params = useParams({ strict: false })
  const { month } = useSearch({ strict: false }) as { month?: string }
  const { data: sites } = useQuery(sitesQuery)
  const point = useQuery({ ...servicePointQuery(params.id ?? '', month ?? ''), enabled: Boolean(params.id && month) })
  if (params.site) return params.site
  return params.id ? (point.data?.service_point.site_id ?? sites?.[0]?.id) : sites?.[0]?.id
}

/** What surrounds every page: site, navigation, live state, colours, account. */
export function Shell() {
  const { t } = useTranslation()
  const site = useSiteId()
  const place = useSitePlace(site)
  const live = useReadingStream(site)
  return (
    <PlaceProvider value={place}>
      <a className={classes.skip} href="#page">{t('nav.skip')}</a>
      <div className={classes.shell}>
        <header className={`${classes.bar} no-print`}>
          <Link to="/" className={classes.brand} aria-label={t('product')}><Mark /><span>{t('product')}</span></Link>
          <SitePicker site={site} />
          <span className={classes.fill} />
          <LiveMark live={live} />
          <SchemeSwitch />
          <Account />
        </header>
        <nav className={`${classes.nav} no-print`} aria-label={t('nav.label')}>
          {site && <Links site={site} />}
        </nav>
        <main id="page" className={classes.main} tabIndex={-1}><Outlet /></main>
      </div>
    </PlaceProvider>
  )
}

function Links({ site }: { site: string }) {
  const { t } = useTranslation()
  const { month } = useSearch({ strict: false }) as { month?: string }
  const onPoint = useRouterState({ select: (state) => state.location.pathname.startsWith('/service-points/') })
  return pages.map(({ to, name, icon }) => (
    <Link
      key={to} to={to} params={{ site }} search={{ month }} className={classes.link}
      activeOptions={{ includeSearch: false }} activeProps={{ 'data-active': 'true' }}
      {...(onPoint && name === 'units' ? { 'data-active': 'true' } : {})}
    >
      <Icon name={icon} size={20} />
      <span>{t(`nav.${name}`)}</span>
    </Link>
  ))
}

function SitePicker({ site }: { site: string | undefined }) {
  const { t } = useTranslation()
  const { data: sites = [] } = useQuery(sitesQuery)
  const navigate = useNavigate()
  if (sites.length <= 1) return <span className={classes.site}>{sites[0]?.name}</span>
  return (
    <NativeSelect
      className={classes.picker} aria-label={t('nav.site')} value={site ?? ''}
      data={sites.map((one) => ({ value: one.id, label: one.name }))}
      onChange={(event) => void navigate({
        to: '/sites/$site/units', params: { site: event.currentTarget.value }, search: {},
      } as never)}
    />
  )
}

function LiveMark({ live }: { live: boolean }) {
  const { t } = useTranslation()
  return (
    <span className={classes.live} data-live={live} title={live ? t('live.onHint') : t('live.offHint')} role="status">
      <ShapeMark shape={live ? 'dot' : 'empty'} size={14} />
      {live ? t('live.on') : t('live.off')}
    </span>
  )
}

function SchemeSwitch() {
  const { t } = useTranslation()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const choice = (value: MantineColorScheme, icon: IconName) => ({
    value,
    label: <span className={classes.scheme} title={t(`scheme.${value}`)}><Icon name={icon} size={16} /><span className="sr-only">{t(`scheme.${value}`)}</span></span>,
  })
  return (
    <SegmentedControl
      className={classes.schemes} size="xs" aria-label={t('scheme.label')} value={colorScheme}
      onChange={(value) => setColorScheme(value as MantineColorScheme)}
      data={[choice('auto', 'auto'), choice('light', 'sun'), choice('dark', 'moon')]}
    />
  )
}

function Account() {
  const { t } = useTranslation()
  const { data: session } = useQuery(sessionQuery)
  const client = useQueryClient()
  const navigate = useNavigate()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const signOut = async () => {
    await api.delete('/api/session').catch(() => undefined)
    markSignedOut()
    await navigate({ to: '/login', search: {} } as never)
    client.clear()
  }
  return (
    <Menu position="bottom-end" withinPortal={false}>
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={t('nav.account')}><Icon name="person" /></ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session?.user.name} · {session?.user.role}
          <br />
          {session?.organization.name}
        </Menu.Label>
        <Menu.Item component="a" href="/api/docs">{t('nav.docs')}</Menu.Item>
        {(['auto', 'light', 'dark'] as const).map((value) => (
          <Menu.Item
            key={value} className={classes.narrowOnly} closeMenuOnClick={false} aria-current={colorScheme === value}
            onClick={() => setColorScheme(value)}
          >
            {t('scheme.label')}: {t(`scheme.${value}`)} {colorScheme === value && '✓'}
          </Menu.Item>
        ))}
        <Menu.Item onClick={() => void signOut()}>{t('nav.signOut')}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
