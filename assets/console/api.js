// The operators' interface: requests with the token of whoever is signed in, and what went wrong in words.

const KEY = 'raconteur.token';
let token = sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? '';
const waiting = new Set();

export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

export const isSignedIn = () => token !== '';

export function signIn(given, { remember = false } = {}) {
  token = given;
  sessionStorage.setItem(KEY, given);
  if (remember) localStorage.setItem(KEY, given);
}

export function signOut() {
  token = '';
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  waiting.forEach((tell) => tell());
}

/** Tells when it turns out that nobody is signed in. */
export function onStranger(tell) {
  waiting.add(tell);
  return () => waiting.delete(tell);
}

export const headers = () => (token ? { authorization: `Bearer ${token}` } : {});

export async function request(path, { method = 'GET', body, signal } = {}) {
  const sent = { ...headers() };
  if (body !== undefined) sent['content-type'] = 'application/json';
  let response;
  try {
    response = await fetch(`/v1/operator${path}`, { method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, 'unreachable', 'The gateway does not answer. Is it running?');
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401) waiting.forEach((tell) => tell());
  throw new Problem(response.status, problem.code ?? 'unknown', problem.detail ?? `The gateway answered ${response.status}.`);
}

export const get = async (path, signal) => (await request(path, { signal })).json();
export const post = async (path, body) => (await request(path, { method: 'POST', body })).json();
export const remove = async (path) => (await request(path, { method: 'DELETE' })).json();

export const conversationPath = (tenant, user) => `/conversations/${encodeURIComponent(tenant)}/${encodeURIComponent(user)}`;

/** A sentence for an error, beginning with a capital letter. */
export function inWords(error) {
  const words = error?.message || 'Something went wrong.';
  return words[0].toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? '' : '.');
}
