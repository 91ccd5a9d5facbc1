/**
 * A mark in this browser that somebody signed in here. It opens nothing (the cookie does): it only spares a first
 * visitor the question to the server whose answer is known.
 */
const KEY = 'demeter-signed-in'

export const markSignedIn = () => localStorage.setItem(KEY, '1')
export const markSignedOut = () => localStorage.removeItem(KEY)
export const maySignedIn = () => localStorage.getItem(KEY) !== null
