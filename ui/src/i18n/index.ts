import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import { en } from './en'

const capital = (word: string) => word.charAt(0).toLocaleUpperCase() + word.slice(1)

void i18next.use(initReactI18next).init({
  lng: 'en',
  fallbackLng: 'en',
  resources: { en: { translation: en } },
  interpolation: { escapeValue: false },
})

i18next.services.formatter?.add('capital', (word: unknown) => capital(String(word)))

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'translation'
    resources: { translation: typeof en }
  }
}

export { i18next }
