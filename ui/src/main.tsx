import './theme/mantine.css'
import './theme/tokens.css'
import './theme/base.css'
import './i18n'
import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { queryClient, whenSignedOut } from './api/queries'
import { markSignedOut } from './api/session'
import { router } from './router'
import { theme, variables } from './theme/theme'

const colours = localStorageColorSchemeManager({ key: 'demeter-colours' })

whenSignedOut.act = () => {
  markSignedOut()
  const { pathname, href } = router.state.location
  if (pathname !== '/login') void router.navigate({ to: '/login', search: { next: href } })
}

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <MantineProvider
      theme={theme} cssVariablesResolver={variables} colorSchemeManager={colours} defaultColorScheme="auto"
      deduplicateCssVariables={false}
    >
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)
