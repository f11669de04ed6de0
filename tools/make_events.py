#!/usr/bin/env python3
"""Writes the demonstration's events: NDJSON, one event a line, the same bytes on every run.

    tools/make_events.py [--count 20000] [--seed 7411] > examples/notifications/events.ndjson

Everybody in it is invented: addresses end in example.com, example.org or .test (RFC 2606), phone
numbers use the unassigned country code 999, device tokens are random. The shape of a line is
described in examples/notifications/README.md.
"""
import argparse
import datetime
import json
import random
import sys

# locale: (given names, family names, family name first?)
NAMES = {
    "en-GB": (["Amelia", "Oliver", "Isla", "George", "Priya", "Noah", "Siobhán", "Zoë"],
              ["Ashworth", "Okonkwo", "Fairbanks-Lyttelton", "O'Rourke", "Patel"], False),
    "de-DE": (["Jürgen", "Käthe", "Lukas", "Annelie", "Björn", "Søren", "Mia"],
              ["Müller", "Großkreutz", "von der Heydebrand-Lasa", "Schäfer", "Öztürk"], False),
    "fr-FR": (["Élodie", "Jean-François", "Chloé", "Théo", "Anaïs", "Loïc"],
              ["Lefèvre", "de la Rochefoucauld-Montbel", "Dupré", "Noël", "Bâtisseur"], False),
    "es-MX": (["María José", "Íñigo", "Lucía", "Andrés", "Ximena", "Agustín"],
              ["Núñez Cabeza", "Peñaloza Ibáñez", "García Robledo", "Zúñiga", "Ávila"], False),
    "pt-BR": (["João", "Conceição", "Thaís", "Antônio", "Letícia"],
              ["Gonçalves", "Magalhães", "de Araújo Brandão", "Simões", "Falcão"], False),
    "pl-PL": (["Łukasz", "Żaneta", "Małgorzata", "Świętosława", "Józef"],
              ["Wójcik", "Brzęczyszczykiewicz", "Żółkiewski", "Dąbrowska", "Źródlany"], False),
    "tr-TR": (["Çağla", "İbrahim", "Şule", "Ömer", "Gülşah", "Işıl"],
              ["Yıldırım", "Çelik", "Özgür", "Şahin", "Karaağaç"], False),
    "ru-RU": (["Анастасия", "Дмитрий", "Фёдор", "Ольга", "Екатерина"],
              ["Ковалёва", "Щербаков", "Рождественский", "Ёлкина", "Журавлёв"], False),
    "uk-UA": (["Оксана", "Тарас", "Їжачок", "Мирослава", "Ґедимін"],
              ["Шевчук", "Ковальчук", "Перебийніс", "Їжакевич"], False),
    "el-GR": (["Δήμητρα", "Γιώργος", "Ελευθερία", "Νίκος"],
              ["Παπαδόπουλος", "Χατζηγεωργίου", "Αγγελοπούλου"], False),
    "ar-EG": (["محمد", "فاطمة", "ليلى", "عبد الرحمن", "نور"],
              ["الحسيني", "عبد العزيز", "المصري", "بن يوسف"], False),
    "he-IL": (["נועה", "איתי", "שירה", "יונתן"], ["כהן", "לוי-גולדברג", "מזרחי", "פרידמן"], False),
    "hi-IN": (["आरव", "प्रिया", "लक्ष्मी", "विक्रम", "अनन्या"],
              ["शर्मा", "चट्टोपाध्याय", "सिंह", "अय्यर"], False),
    "th-TH": (["สมชาย", "กัญญารัตน์", "ณัฐพล", "พิมพ์ชนก"],
              ["ศรีสุวรรณ", "วงศ์ประเสริฐ", "จันทร์เพ็ญ"], False),
    "zh-CN": (["伟", "芳", "秀英", "子涵", "欣怡"], ["王", "李", "欧阳", "诸葛", "陈"], True),
    "ja-JP": (["太郎", "さくら", "健一", "結衣", "蓮"], ["山田", "佐藤", "勅使河原", "髙橋", "渡邉"], True),
    "ko-KR": (["민준", "서연", "지우", "하은"], ["김", "이", "박", "남궁", "황보"], True),
    "vi-VN": (["Thị Ngọc Ánh", "Văn Đức", "Quỳnh", "Minh Tuấn"],
              ["Nguyễn", "Trần", "Đặng", "Phạm"], True),
    "sw-KE": (["Amani", "Zuwena", "Baraka", "Neema"],
              ["Mwangi", "Otieno", "Wanjiru", "Kipchoge"], False),
}

# type: {language: (subject, text)}. {n} the person, {o} another one, {r} a reference, {m} money,
# {t} a thing, {q} how many, {c} a code, {h} a time of day.
TEXTS = {
    "order_placed": {
        "en": ("Your order {r} 🎉", "Thank you, {n}! {t} × {q} for {m} will be packed today."),
        "de": ("Ihre Bestellung {r}", "Vielen Dank, {n}! {q} × {t} für {m} wird heute gepackt."),
        "fr": ("Votre commande {r}", "Merci {n} ! {q} × {t} pour {m} : préparation aujourd’hui."),
        "es": ("Tu pedido {r} 🎉", "¡Gracias, {n}! Hoy preparamos {q} × {t} por {m}."),
        "pt": ("Seu pedido {r}", "Obrigado, {n}! {q} × {t} por {m} será embalado hoje."),
        "pl": ("Twoje zamówienie {r}", "Dziękujemy, {n}! {q} × {t} za {m} spakujemy dziś."),
        "tr": ("Siparişiniz {r}", "Teşekkürler {n}! {q} × {t}, tutar {m}, bugün hazırlanıyor."),
        "ru": ("Ваш заказ {r}", "Спасибо, {n}! {q} × {t} на сумму {m} упакуем сегодня."),
        "uk": ("Ваше замовлення {r}", "Дякуємо, {n}! {q} × {t} на суму {m} спакуємо сьогодні."),
        "el": ("Η παραγγελία σας {r}", "Ευχαριστούμε, {n}! {q} × {t} για {m}, σήμερα."),
        "ar": ("طلبك {r}", "شكرًا يا {n}! سنجهز {q} × {t} بقيمة {m} اليوم."),
        "he": ("ההזמנה שלך {r}", "תודה, {n}! {q} × {t} בסך {m} ייארז היום."),
        "hi": ("आपका ऑर्डर {r}", "धन्यवाद, {n}! {q} × {t}, कुल {m}, आज पैक होगा।"),
        "th": ("คำสั่งซื้อ {r}", "ขอบคุณ {n}! {t} × {q} ราคา {m} จะจัดส่งวันนี้"),
        "zh": ("您的订单 {r}", "谢谢，{n}！{t} × {q}，共 {m}，今天打包。"),
        "ja": ("ご注文 {r}", "{n} 様、ありがとうございます。{t} × {q}（{m}）を本日梱包します。"),
        "ko": ("주문 {r}", "{n} 님, 감사합니다! {t} × {q} ({m}) 오늘 포장합니다."),
        "vi": ("Đơn hàng {r}", "Cảm ơn {n}! {q} × {t} giá {m} sẽ được đóng gói hôm nay."),
        "sw": ("Agizo lako {r}", "Asante, {n}! {q} × {t} kwa {m} itafungwa leo."),
    },
    "message_received": {
        "en": ("New message from {o}", "“{t}? See you at eight 😊” Answer {o} in the app."),
        "de": ("Neue Nachricht von {o}", "„{t}? Bis um acht 😊“ – antworte {o} in der App."),
        "fr": ("Nouveau message de {o}", "« {t} ? À huit heures 😊 » Répondez à {o}."),
        "es": ("Nuevo mensaje de {o}", "«¿{t}? Nos vemos a las ocho 😊» Responde a {o}."),
        "pt": ("Nova mensagem de {o}", "“{t}? Até às oito 😊” Responda a {o}."),
        "pl": ("Nowa wiadomość od: {o}", "„{t}? Do ósmej 😊” Odpowiedz w aplikacji."),
        "tr": ("{o} sana yazdı", "“{t}? Sekizde görüşürüz 😊” Uygulamadan yanıtla."),
        "ru": ("Новое сообщение от {o}", "«{t}? До восьми 😊» Ответьте в приложении."),
        "uk": ("Нове повідомлення від {o}", "«{t}? До восьмої 😊» Дайте відповідь у застосунку."),
        "el": ("Νέο μήνυμα από {o}", "«{t}; Στις οκτώ 😊» Απαντήστε στην εφαρμογή."),
        "ar": ("رسالة جديدة من {o}", "«{t}؟ نلتقي الساعة الثامنة 😊» أجب في التطبيق."),
        "he": ("הודעה חדשה מאת {o}", "״{t}? נתראה בשמונה 😊״ אפשר לענות באפליקציה."),
        "hi": ("{o} का नया संदेश", "“{t}? आठ बजे मिलते हैं 😊” ऐप में उत्तर दें।"),
        "th": ("ข้อความใหม่จาก {o}", "“{t}? เจอกันสองทุ่ม 😊” ตอบกลับในแอป"),
        "zh": ("{o} 发来新消息", "“{t}？八点见 😊” 请在应用中回复。"),
        "ja": ("{o} さんから新着メッセージ", "「{t}？八時に会いましょう 😊」アプリで返信できます。"),
        "ko": ("{o} 님의 새 메시지", "“{t}? 여덟 시에 봐요 😊” 앱에서 답장하세요."),
        "vi": ("Tin nhắn mới từ {o}", "“{t}? Hẹn tám giờ 😊” Trả lời trong ứng dụng."),
        "sw": ("Ujumbe mpya kutoka kwa {o}", "“{t}? Tuonane saa mbili 😊” Jibu kwenye programu."),
    },
    "password_reset": {
        "en": ("Reset your password",
               "{n}, your code is {c}. It is good for ten minutes. Not you? Ignore this."),
        "de": ("Passwort zurücksetzen", "{n}, Ihr Code ist {c}. Er gilt zehn Minuten."),
        "fr": ("Réinitialiser le mot de passe", "{n}, votre code est {c}, valable dix minutes."),
        "es": ("Restablece tu contraseña", "{n}, tu código es {c}. Vale diez minutos."),
        "pt": ("Redefina sua senha", "{n}, seu código é {c}. Vale por dez minutos."),
        "pl": ("Reset hasła", "{n}, Twój kod to {c}. Jest ważny dziesięć minut."),
        "tr": ("Parola sıfırlama", "{n}, kodunuz {c}. On dakika geçerlidir."),
        "ru": ("Сброс пароля", "{n}, ваш код {c}. Он действует десять минут."),
        "uk": ("Скидання пароля", "{n}, ваш код {c}. Він дійсний десять хвилин."),
        "el": ("Επαναφορά κωδικού", "{n}, ο κωδικός σας είναι {c}. Ισχύει δέκα λεπτά."),
        "ar": ("إعادة تعيين كلمة المرور", "{n}، رمزك هو {c} وهو صالح لعشر دقائق."),
        "he": ("איפוס סיסמה", "{n}, הקוד שלך הוא {c}. הוא תקף לעשר דקות."),
        "hi": ("पासवर्ड रीसेट", "{n}, आपका कोड {c} है। यह दस मिनट तक मान्य है।"),
        "th": ("รีเซ็ตรหัสผ่าน", "{n} รหัสของคุณคือ {c} ใช้ได้สิบนาที"),
        "zh": ("重置密码", "{n}，您的验证码是 {c}，十分钟内有效。"),
        "ja": ("パスワードの再設定", "{n} 様、コードは {c} です。十分間有効です。"),
        "ko": ("비밀번호 재설정", "{n} 님, 코드는 {c}입니다. 10분 동안 유효합니다."),
        "vi": ("Đặt lại mật khẩu", "{n}, mã của bạn là {c}, có hiệu lực mười phút."),
        "sw": ("Weka upya nenosiri", "{n}, msimbo wako ni {c}. Unafaa kwa dakika kumi."),
    },
    "payment_failed": {
        "en": ("Payment of {m} failed ⚠️",
               "{n}, your bank declined {m} for {r}. Please try another card."),
        "de": ("Zahlung über {m} fehlgeschlagen ⚠️", "{n}, Ihre Bank hat {m} für {r} abgelehnt."),
        "fr": ("Échec du paiement de {m}", "{n}, votre banque a refusé {m} pour {r}."),
        "es": ("Falló el pago de {m} ⚠️", "{n}, tu banco rechazó {m} para {r}."),
        "pt": ("Pagamento de {m} recusado", "{n}, o banco recusou {m} para {r}."),
        "pl": ("Płatność {m} nieudana", "{n}, bank odrzucił {m} za {r}."),
        "tr": ("{m} ödemesi başarısız", "{n}, bankanız {r} için {m} tutarını reddetti."),
        "ru": ("Платёж {m} не прошёл ⚠️", "{n}, банк отклонил {m} за {r}."),
        "uk": ("Платіж {m} не пройшов", "{n}, банк відхилив {m} за {r}."),
        "el": ("Η πληρωμή {m} απέτυχε", "{n}, η τράπεζα απέρριψε {m} για {r}."),
        "ar": ("تعذّر دفع {m}", "{n}، رفض البنك مبلغ {m} للطلب {r}."),
        "he": ("התשלום {m} נכשל", "{n}, הבנק דחה {m} עבור {r}."),
        "hi": ("{m} का भुगतान विफल", "{n}, बैंक ने {r} के लिए {m} अस्वीकार किया।"),
        "th": ("ชำระเงิน {m} ไม่สำเร็จ", "{n} ธนาคารปฏิเสธ {m} สำหรับ {r}"),
        "zh": ("{m} 支付失败 ⚠️", "{n}，银行拒绝了 {r} 的 {m}。"),
        "ja": ("{m} のお支払いに失敗しました", "{n} 様、{r} の {m} が銀行で拒否されました。"),
        "ko": ("{m} 결제 실패", "{n} 님, 은행이 {r}의 {m}을 거절했습니다."),
        "vi": ("Thanh toán {m} thất bại", "{n}, ngân hàng từ chối {m} cho {r}."),
        "sw": ("Malipo ya {m} yameshindwa", "{n}, benki imekataa {m} kwa {r}."),
    },
    "shipment": {
        "en": ("{r} is on its way 🚚", "{t} left the warehouse and arrives on Thursday, {n}."),
        "de": ("{r} ist unterwegs 🚚", "{t} hat das Lager verlassen und kommt am Donnerstag, {n}."),
        "fr": ("{r} est en route 🚚", "{t} arrive jeudi, {n}."),
        "es": ("{r} va en camino 🚚", "{t} llega el jueves, {n}."),
        "pt": ("{r} está a caminho 🚚", "{t} chega na quinta-feira, {n}."),
        "pl": ("{r} jest w drodze 🚚", "{t} dotrze w czwartek, {n}."),
        "tr": ("{r} yola çıktı 🚚", "{t} perşembe günü geliyor, {n}."),
        "ru": ("{r} уже в пути 🚚", "{t} прибудет в четверг, {n}."),
        "uk": ("{r} уже в дорозі 🚚", "{t} прибуде в четвер, {n}."),
        "el": ("{r}: καθ' οδόν 🚚", "{t} φτάνει την Πέμπτη, {n}."),
        "ar": ("{r} في الطريق 🚚", "{t} يصل يوم الخميس يا {n}."),
        "he": ("{r} בדרך 🚚", "{t} יגיע ביום חמישי, {n}."),
        "hi": ("{r} रास्ते में है 🚚", "{t} गुरुवार को पहुँचेगा, {n}।"),
        "th": ("{r} กำลังจัดส่ง 🚚", "{t} จะถึงวันพฤหัสบดี {n}"),
        "zh": ("{r} 已发货 🚚", "{n}，{t} 将于星期四送达。"),
        "ja": ("{r} を発送しました 🚚", "{n} 様、{t} は木曜日に届きます。"),
        "ko": ("{r} 배송 중 🚚", "{n} 님, {t} 목요일에 도착합니다."),
        "vi": ("{r} đang được giao 🚚", "{t} sẽ đến vào thứ Năm, {n}."),
        "sw": ("{r} iko njiani 🚚", "{t} itafika Alhamisi, {n}."),
    },
    "invitation": {
        "en": ("{o} invites you", "{n}, {o} would like you to join the team “{t}” 👋🏽"),
        "de": ("{o} lädt Sie ein", "{n}, {o} möchte Sie im Team „{t}“ dabeihaben 👋🏽"),
        "fr": ("{o} vous invite", "{n}, {o} vous propose de rejoindre « {t} » 👋🏽"),
        "es": ("{o} te invita", "{n}, {o} quiere que te unas a «{t}» 👋🏽"),
        "pt": ("{o} convidou você", "{n}, {o} quer você na equipe “{t}” 👋🏽"),
        "pl": ("Zaproszenie od: {o}", "{n}, dołącz do zespołu „{t}” 👋🏽"),
        "tr": ("{o} seni davet ediyor", "{n}, “{t}” ekibine katıl 👋🏽"),
        "ru": ("{o} приглашает вас", "{n}, вступайте в команду «{t}» 👋🏽"),
        "uk": ("{o} запрошує вас", "{n}, приєднуйтеся до команди «{t}» 👋🏽"),
        "el": ("Πρόσκληση: {o}", "{n}, ελάτε στην ομάδα «{t}» 👋🏽"),
        "ar": ("دعوة من {o}", "{n}، انضم إلى فريق «{t}» 👋🏽"),
        "he": ("הזמנה מאת {o}", "{n}, מוזמנים לצוות ״{t}״ 👋🏽"),
        "hi": ("{o} का निमंत्रण", "{n}, “{t}” टीम से जुड़ें 👋🏽"),
        "th": ("{o} เชิญคุณ", "{n} มาร่วมทีม “{t}” 👋🏽"),
        "zh": ("{o} 邀请您", "{n}，欢迎加入“{t}”团队 👋🏽"),
        "ja": ("{o} さんからの招待", "{n} 様、チーム「{t}」に参加しませんか 👋🏽"),
        "ko": ("{o} 님의 초대", "{n} 님, “{t}” 팀에 참여하세요 👋🏽"),
        "vi": ("{o} mời bạn", "{n}, hãy tham gia nhóm “{t}” 👋🏽"),
        "sw": ("{o} anakualika", "{n}, jiunge na timu “{t}” 👋🏽"),
    },
    "sign_in": {
        "en": ("New sign-in 🔐", "{n}, somebody signed in from a new device at {h}. Was it you?"),
        "de": ("Neue Anmeldung 🔐", "{n}, um {h} gab es eine Anmeldung von einem neuen Gerät."),
        "fr": ("Nouvelle connexion 🔐", "{n}, connexion depuis un nouvel appareil à {h}."),
        "es": ("Nuevo acceso 🔐", "{n}, acceso desde un dispositivo nuevo a las {h}."),
        "pt": ("Novo acesso 🔐", "{n}, acesso de um novo aparelho às {h}."),
        "pl": ("Nowe logowanie 🔐", "{n}, logowanie z nowego urządzenia o {h}."),
        "tr": ("Yeni oturum 🔐", "{n}, saat {h} yeni bir cihazdan giriş yapıldı."),
        "ru": ("Новый вход 🔐", "{n}, в {h} выполнен вход с нового устройства."),
        "uk": ("Новий вхід 🔐", "{n}, о {h} виконано вхід з нового пристрою."),
        "el": ("Νέα σύνδεση 🔐", "{n}, σύνδεση από νέα συσκευή στις {h}."),
        "ar": ("تسجيل دخول جديد 🔐", "{n}، تم تسجيل الدخول من جهاز جديد في {h}."),
        "he": ("כניסה חדשה 🔐", "{n}, נרשמה כניסה ממכשיר חדש בשעה {h}."),
        "hi": ("नया साइन-इन 🔐", "{n}, {h} पर नए डिवाइस से साइन-इन हुआ।"),
        "th": ("การเข้าสู่ระบบใหม่ 🔐", "{n} มีการเข้าสู่ระบบจากอุปกรณ์ใหม่เวลา {h}"),
        "zh": ("新设备登录 🔐", "{n}，{h} 有新设备登录。"),
        "ja": ("新しいサインイン 🔐", "{n} 様、{h} に新しい端末からサインインがありました。"),
        "ko": ("새 로그인 🔐", "{n} 님, {h}에 새 기기에서 로그인했습니다."),
        "vi": ("Đăng nhập mới 🔐", "{n}, có đăng nhập từ thiết bị mới lúc {h}."),
        "sw": ("Kuingia kupya 🔐", "{n}, kuna aliyeingia kwa kifaa kipya saa {h}."),
    },
}
WEIGHTS = {"order_placed": 26, "message_received": 30, "password_reset": 6, "payment_failed": 5,
           "shipment": 20, "invitation": 7, "sign_in": 6}

THINGS = ["Teapot “Blåbär”", "Füller №5", "茶碗", "Кофемолка", "Café moulu 1 kg", "LED-Lampe",
          "बाँसुरी", "Wanderkarte", "كتاب الطبخ", "Bicycle bell", "抱き枕", "김치 2 kg",
          "Sauna towel 🧖", "ผ้าไหม", "Mate"]
CURRENCIES = {"en": "£{}", "de": "{} €", "fr": "{} €", "es": "${} MXN", "pt": "R$ {}",
              "pl": "{} zł",
              "tr": "{} ₺", "ru": "{} ₽", "uk": "{} ₴", "el": "{} €", "ar": "{} ج.م", "he": "{} ₪",
              "hi": "₹{}", "th": "฿{}", "zh": "¥{}", "ja": "¥{}", "ko": "₩{}",
              "vi": "{} ₫", "sw": "KSh {}"}
DOMAINS = ["example.com", "example.org", "mail.example.com", "inbox.test", "post.test"]


def person(rng, locale):
    given, family, family_first = NAMES[locale]
    first, last = rng.choice(given), rng.choice(family)
    if not family_first:
        return f"{first} {last}"
    return f"{last} {first}" if locale.startswith("vi") else f"{last}{first}"


def event(rng, number, at):
    locale = rng.choice(list(NAMES))
    language = locale[:2]
    kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    name = person(rng, locale)
    # Now and then somebody who fills every field to its end.
    if rng.random() < 0.005:
        name = " ".join(person(rng, locale) for _ in range(12))
    values = {"n": name, "o": person(rng, rng.choice(list(NAMES))),
              "r": f"#{rng.randrange(10**6, 10**7)}", "t": rng.choice(THINGS),
              "m": CURRENCIES[language].format(rng.randrange(3, 4000)), "q": rng.randrange(1, 6),
              "c": f"{rng.randrange(10**6):06}", "h": at.strftime("%H:%M")}
    subject, text = TEXTS[kind][language]
    return {"id": f"evt-{number:06}", "type": kind,
            "at": at.isoformat(timespec="milliseconds") + "Z", "locale": locale, "name": name,
            "email": f"person-{number:06}@{rng.choice(DOMAINS)}",
            "phone": f"+999{rng.randrange(10**8, 10**9)}", "device": f"{rng.getrandbits(64):016x}",
            "subject": subject.format(**values), "text": text.format(**values)}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7411)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    at = datetime.datetime(2026, 3, 2, 7, 0)
    for number in range(1, options.count + 1):
        at += datetime.timedelta(milliseconds=int(rng.expovariate(1 / 40)) + 1)
        line = json.dumps(event(rng, number, at), ensure_ascii=False, separators=(",", ":"))
        sys.stdout.buffer.write(line.encode() + b"\n")


if __name__ == "__main__":
    main()
