/** Who is it? */
import { html, view } from './component.js';
import { login } from './session.js';
import { Field, Refusal, submission } from './parts/form.js';

export const Login = view((_, self) => {
  const name = self.signal('name', '');
  const password = self.signal('password', '');
  document.title = 'Log in · Coney';
  const { error, isBusy, submit } = submission(self, () => login(name.value, password.value));
  return html`<main class="login"><div class="login-box">
    <div class="login-brand"><img src="style/icon.svg" alt="" /><h1>Coney</h1></div>
    <form onSubmit=${submit}>
      <${Field} label="User" value=${name} autocomplete="username" name="username" autofocus autocapitalize="none" required />
      <${Field} label="Password" type="password" value=${password} autocomplete="current-password" name="password" />
      <${Refusal} text=${error.value} />
      <button type="submit" class="button primary" disabled=${isBusy.value}>${isBusy.value ? 'Logging in' : 'Log in'}</button>
    </form>
  </div></main>`;
}, 'Login');
