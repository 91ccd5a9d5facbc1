import {
  createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Outlet, redirect,
} from '@tanstack/react-router'
import type { QueryClient } from '@tanstack/react-query'
import { ApiError } from './api/client'
import { queryClient, sessionQuery, sitesQuery } from './api/queries'
import { markSignedOut, maySignedIn } from './api/session'
import { isMonth, localMonth } from './format/time'
import { Shell } from './shell/Shell'
import { Failed, Lost } from './shell/Failed'

type Search = Record<string, unknown>

const text = (search: Search, name: string) => {
  const value = search[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

const month = (search: Search) => (isMonth(search['month']) ? search['month'] : undefined)

/** What an address may carry: every word is optional, anything else is dropped. */
type Words<Name extends string> = { [name in Name]?: string | undefined }

const monthSearch = (search: Search): Words<'month'> => ({ month: month(search) })

const root = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  component: Outlet,
  errorComponent: Failed,
  notFoundComponent: Lost,
})

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (search: Search): Words<'next'> => ({ next: text(search, 'next') }),
  component: lazyRouteComponent(() => import('./pages/login'), 'LoginPage'),
})

/** Everything behind the login. */
const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  component: Shell,
  errorComponent: Failed,
  beforeLoad: async ({ context, location }) => {
    const toLogin = () => redirect({ to: '/login', search: { next: location.href } })
    if (!maySignedIn()) throw toLogin()
    try {
      await context.queryClient.ensureQueryData(sessionQuery)
    } catch (problem) {
      if (problem instanceof ApiError && problem.status === 401) {
        markSignedOut()
        throw toLogin()
      }
      throw problem
    }
    await context.queryClient.ensureQueryData(sitesQuery)
  },
})

/** The month belongs into the address, so that any view can be shared as a link. */
async function withMonth(search: { month?: string | undefined }, siteId?: string): Promise<void> {
  if (search.month) return
  const sites = await queryClient.ensureQueryData(sitesQuery)
  const site = sites.find((one) => one.id === siteId) ?? sites[0]
  throw redirect({
    to: '.', search: (previous: Search) => ({ ...previous, month: localMonth(new Date(), site?.zone ?? 'UTC') }), replace: true,
  } as never)
}

const home = createRoute({
  getParentRoute: () => inside,
  path: '/',
  beforeLoad: async () => {
    const [site] = await queryClient.ensureQueryData(sitesQuery)
    if (site) throw redirect({ to: '/sites/$site/units', params: { site: site.id }, replace: true } as never)
  },
  component: Lost,
})

const units = createRoute({
  getParentRoute: () => inside,
  path: '/sites/$site/units',
  validateSearch: (search: Search): Words<'month' | 'building' | 'commodity' | 'flag' | 'q' | 'sort'> => ({
    month: month(search),
    building: text(search, 'building'),
    commodity: text(search, 'commodity'),
    flag: text(search, 'flag'),
    q: text(search, 'q'),
    sort: text(search, 'sort'),
  }),
  beforeLoad: ({ search, params }) => withMonth(search, params.site),
  component: lazyRouteComponent(() => import('./pages/units'), 'UnitsPage'),
})

const servicePoint = createRoute({
  getParentRoute: () => inside,
  path: '/service-points/$id',
  validateSearch: (search: Search): Words<'month' | 'view'> => ({ month: month(search), view: text(search, 'view') }),
  beforeLoad: ({ search }) => withMonth(search),
  component: lazyRouteComponent(() => import('./pages/unit'), 'UnitPage'),
})

const proof = createRoute({
  getParentRoute: () => inside,
  path: '/service-points/$id/proof',
  validateSearch: monthSearch,
  beforeLoad: ({ search }) => withMonth(search),
  component: lazyRouteComponent(() => import('./pages/proof'), 'ProofPage'),
})

const meters = createRoute({
  getParentRoute: () => inside,
  path: '/sites/$site/meters',
  validateSearch: (search: Search): Words<'month' | 'q' | 'state' | 'commodity' | 'sort'> => ({
    month: month(search),
    q: text(search, 'q'),
    state: text(search, 'state'),
    commodity: text(search, 'commodity'),
    sort: text(search, 'sort'),
  }),
  component: lazyRouteComponent(() => import('./pages/meters'), 'MetersPage'),
})

const reconciliation = createRoute({
  getParentRoute: () => inside,
  path: '/sites/$site/reconciliation',
  validateSearch: monthSearch,
  beforeLoad: ({ search, params }) => withMonth(search, params.site),
  component: lazyRouteComponent(() => import('./pages/reconciliation'), 'ReconciliationPage'),
})

/** Addresses stay readable: plain names and plain words, no JSON. */
function stringify(search: Search): string {
  const words = Object.entries(search).filter(([, value]) => value !== undefined && value !== '')
  const query = new URLSearchParams(words.map(([name, value]) => [name, String(value)])).toString()
  return query && `?${query}`
}

export const router = createRouter({
  routeTree: root.addChildren([
    login,
    inside.addChildren([home, units, servicePoint, proof, meters, reconciliation]),
  ]),
  context: { queryClient },
  parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch: stringify,
  defaultErrorComponent: Failed,
  defaultNotFoundComponent: Lost,
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
