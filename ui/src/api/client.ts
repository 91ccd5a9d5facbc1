/** A refusal by the server, or its silence, in words a person can act on. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string,
  ) {
    super(message)
  }
}

interface Refusal {
  code?: string
  message?: string
  hint?: string
  detail?: unknown
  error?: Refusal
}

async function refusal(response: Response): Promise<ApiError> {
  let body: Refusal = {}
  try {
    body = (await response.json()) as Refusal
  } catch {
    // A proxy's HTML page, or nothing: the status has to do.
  }
  const said = body.error ?? body
  const detail = typeof said.detail === 'string' ? said.detail : ''
  return new ApiError(response.status, said.code ?? `http_${response.status}`, said.message ?? detail, said.hint ?? '')
}

async function request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (method !== 'GET') headers['X-Demeter'] = '1'
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers,
      credentials: 'same-origin',
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
    })
  } catch (problem) {
    if (problem instanceof DOMException && problem.name === 'AbortError') throw problem
    throw new ApiError(0, 'unreachable', '', '')
  }
  if (!response.ok) throw await refusal(response)
  return response
}

async function json<T>(response: Response): Promise<T> {
  if (response.status === 204) return undefined as T
  return (await response.json()) as T
}

export const api = {
  get: async <T>(path: string, signal?: AbortSignal) => json<T>(await request('GET', path, undefined, signal)),
  post: async <T>(path: string, body: unknown = {}) => json<T>(await request('POST', path, body)),
  delete: async (path: string) => void (await request('DELETE', path)),
}
